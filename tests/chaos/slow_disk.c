// A slow disk: loaded before the C library (LD_PRELOAD), it delays every sync to disk by up to
// BALLAST_SLOW_DISK_MS, in a fixed pattern.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static void wait_for_disk(void) {
  static unsigned calls = 0;
  const char* text = getenv("BALLAST_SLOW_DISK_MS");
  const long most_ms = text ? atol(text) : 0;
  const long ms = most_ms * (long)(__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED) % 4 + 1) / 4;
  const struct timespec time = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}

int fsync(int file) {
  wait_for_disk();
  return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(file);
}

int fdatasync(int file) {
  wait_for_disk();
  return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(file);
}
