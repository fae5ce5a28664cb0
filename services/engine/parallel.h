// A fixed set of threads that share out independent tasks. Which thread runs which task is decided
// at run time; tasks therefore must write disjoint outputs and be cut by shape, never by threads(),
// so that no bit of a result depends on how many threads there are.
//
// run() may be called by one thread at a time; the caller works too. Tasks may not call run().
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace ballast {

class ThreadPool {
 public:
  // threads >= 1, the caller of run() included.
  explicit ThreadPool(size_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t threads() const { return workers_.size() + 1; }

  // Calls task(i) once for every i in [0, count); returns when all have returned.
  template <typename Task>
  void run(size_t count, Task&& task) {
    using Bare = std::remove_reference_t<Task>;
    run_job([](void* context, size_t index) { (*static_cast<Bare*>(context))(index); },
            const_cast<void*>(static_cast<const void*>(&task)), count);
  }

  // Calls task(begin, end) for touching ranges of at most `grain` that cover [0, count).
  template <typename Task>
  void run_ranges(size_t count, size_t grain, Task&& task) {
    run((count + grain - 1) / grain, [&](size_t i) {
      const size_t begin = i * grain;
      task(begin, begin + grain < count ? begin + grain : count);
    });
  }

 private:
  struct Job {
    void (*call)(void* context, size_t index) = nullptr;
    void* context = nullptr;
    uint32_t count = 0;
    uint32_t generation = 0;
  };

  void run_job(void (*call)(void*, size_t), void* context, size_t count);
  void work(const Job& job);
  void serve();

  std::mutex mutex_;
  Job job_;                              // guarded by mutex_
  std::atomic<uint64_t> claimed_{0};     // generation << 32 | tasks claimed of it
  std::atomic<uint32_t> finished_{0};    // tasks of the current generation that have returned
  std::atomic<uint32_t> generation_{0};  // what idle workers wait on
  std::atomic<bool> stopping_{false};
  std::vector<std::jthread> workers_;
};

}  // namespace ballast
