#include "services/engine/kernels.h"

namespace ballast {

size_t available_kernels(const KernelTable* (&tables)[3]) {
  size_t count = 0;
  tables[count++] = &kernels_baseline();
#ifdef BALLAST_KERNELS_X86
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) {
    tables[count++] = &kernels_avx2();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
      tables[count++] = &kernels_avx512();
    }
  }
#endif
  return count;
}

const KernelTable& best_kernels() {
  const KernelTable* tables[3] = {};
  return *tables[available_kernels(tables) - 1];
}

}  // namespace ballast
