#include "services/engine/parallel.h"

#include "common/check.h"

namespace ballast {

ThreadPool::ThreadPool(size_t threads) {
  CHECK(threads >= 1);
  workers_.reserve(threads - 1);
  for (size_t i = 1; i < threads; ++i) {
    workers_.emplace_back([this] { serve(); });
  }
}

ThreadPool::~ThreadPool() {
  stopping_ = true;
  generation_.fetch_add(1);
  generation_.notify_all();
}

void ThreadPool::run_job(void (*call)(void*, size_t), void* context, size_t count) {
  if (workers_.empty() || count <= 1) {
    for (size_t i = 0; i < count; ++i) {
      call(context, i);
    }
    return;
  }
  CHECK(count <= UINT32_MAX);
  Job job{call, context, static_cast<uint32_t>(count), 0};
  {
    const std::lock_guard lock(mutex_);
    job.generation = job_.generation + 1;
    job_ = job;
    finished_ = 0;
    claimed_ = uint64_t{job.generation} << 32;
  }
  generation_ = job.generation;
  generation_.notify_all();
  work(job);
  for (uint32_t done = finished_; done != job.count; done = finished_) {
    finished_.wait(done);
  }
}

// A task is claimed together with its generation: who comes late, with a job that is over, claims
// nothing and never touches that job's context.
void ThreadPool::work(const Job& job) {
  uint64_t claimed = claimed_;
  while (claimed >> 32 == job.generation && (claimed & UINT32_MAX) < job.count) {
    if (!claimed_.compare_exchange_weak(claimed, claimed + 1)) {
      continue;
    }
    job.call(job.context, claimed & UINT32_MAX);
    finished_.fetch_add(1);
    finished_.notify_one();
    claimed = claimed_;
  }
}

void ThreadPool::serve() {
  uint32_t seen = 0;
  while (true) {
    generation_.wait(seen);
    if (stopping_) {
      return;
    }
    Job job;
    {
      const std::lock_guard lock(mutex_);
      job = job_;
    }
    seen = job.generation;
    work(job);
  }
}

}  // namespace ballast
