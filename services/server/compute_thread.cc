#include "services/server/compute_thread.h"

#include <utility>

namespace ballast {

ComputeThread::ComputeThread(std::function<void()> wake)
    : wake_(std::move(wake)), thread_([this](const std::stop_token& stop) { run(stop); }) {}

ComputeThread::~ComputeThread() {
  thread_.request_stop();
  thread_.join();
}

void ComputeThread::submit(std::function<void()> work, std::function<void()> then) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back({std::move(work), std::move(then)});
  ++open_;
  changed_.notify_all();
}

void ComputeThread::run_finished() {
  std::vector<std::function<void()>> finished;
  {
    const std::lock_guard lock(mutex_);
    finished.swap(finished_);
  }
  for (const auto& then : finished) then();
}

void ComputeThread::finish_all() {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return open_ == 0; });
  }
  run_finished();
}

void ComputeThread::run(const std::stop_token& stop) {
  for (;;) {
    Task task;
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [&] { return !waiting_.empty(); })) return;
      task = std::move(waiting_.front());
      waiting_.pop_front();
    }
    task.work();
    task.work = nullptr;  // what it holds is released before anybody hears that it is done
    {
      const std::lock_guard lock(mutex_);
      finished_.push_back(std::move(task.then));
      --open_;
      changed_.notify_all();
    }
    wake_();
  }
}

}  // namespace ballast
