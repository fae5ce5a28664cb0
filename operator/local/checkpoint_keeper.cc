#include "operator/local/checkpoint_keeper.h"

#include <utility>

namespace ballast::local {

CheckpointKeeper::CheckpointKeeper(Verify verify, Remove remove, std::function<void()> notify)
    : verify_(std::move(verify)),
      remove_(std::move(remove)),
      notify_(std::move(notify)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void CheckpointKeeper::add(Done task) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(task));
  changed_.notify_all();
}

std::vector<CheckpointKeeper::Done> CheckpointKeeper::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(done_, {});
}

void CheckpointKeeper::run(const std::stop_token& stop) {
  for (;;) {
    Done task;
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [&] { return !waiting_.empty(); })) return;
      if (stop.stop_requested()) return;
      task = std::move(waiting_.front());
      waiting_.pop_front();
    }
    Result<void> result;
    if (task.deletion && remove_) result = remove_(task.directory);
    if (!task.deletion && verify_) result = verify_(task.directory, stop);
    if (!result) task.error = result.error().message;
    {
      const std::lock_guard lock(mutex_);
      done_.push_back(std::move(task));
    }
    notify_();
  }
}

}  // namespace ballast::local
