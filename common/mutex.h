// A mutex that clang's thread-safety analysis understands (-Wthread-safety, preset `clang`):
// members say what guards them, and the compiler checks it. With gcc the annotations are nothing.
//
//   Mutex mutex_;
//   std::deque<Event> queue_ BALLAST_GUARDED_BY(mutex_);
//   std::condition_variable_any changed_;          // waits with a Mutex
//   ...
//   const MutexLock lock(mutex_);
//   while (queue_.empty()) changed_.wait_for(mutex_, kPatience);    // not the form with a
//   predicate:
//                                                                   // the analysis cannot see into
//                                                                   it
#pragma once

#include <mutex>

#if defined(__clang__)
#define BALLAST_ANNOTATE(x) __attribute__((x))
#else
#define BALLAST_ANNOTATE(x)
#endif

// A member that the mutex guards; what a pointer points to.
#define BALLAST_GUARDED_BY(mutex) BALLAST_ANNOTATE(guarded_by(mutex))
#define BALLAST_PT_GUARDED_BY(mutex) BALLAST_ANNOTATE(pt_guarded_by(mutex))
// The caller of the function holds it; does not hold it.
#define BALLAST_REQUIRES(...) BALLAST_ANNOTATE(requires_capability(__VA_ARGS__))
#define BALLAST_EXCLUDES(...) BALLAST_ANNOTATE(locks_excluded(__VA_ARGS__))

namespace ballast {

class BALLAST_ANNOTATE(capability("mutex")) Mutex {
 public:
  void lock() BALLAST_ANNOTATE(acquire_capability()) { mutex_.lock(); }
  void unlock() BALLAST_ANNOTATE(release_capability()) { mutex_.unlock(); }
  bool try_lock() BALLAST_ANNOTATE(try_acquire_capability(true)) { return mutex_.try_lock(); }

 private:
  std::mutex mutex_;
};

class BALLAST_ANNOTATE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) BALLAST_ANNOTATE(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() BALLAST_ANNOTATE(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace ballast
