// One thread for long work, so that the event loop stays with the network. Tasks run one
// after the other in the order given; what follows a task runs on the loop's thread, in the same
// order. Thread rule: all members on the loop's thread; `work` runs on the other, `wake` is called
// on it.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

namespace ballast {

class ComputeThread {
 public:
  // `wake`: called whenever a task is done.
  explicit ComputeThread(std::function<void()> wake);
  ~ComputeThread();  // tasks not begun are dropped
  ComputeThread(const ComputeThread&) = delete;
  ComputeThread& operator=(const ComputeThread&) = delete;

  void submit(std::function<void()> work, std::function<void()> then);
  // Runs what follows the tasks that are done.
  void run_finished();
  // Of work that takes long: stopped when this object ends, which waits for the task in hand.
  std::stop_token stop_token() const { return thread_.get_stop_token(); }
  // Waits for all tasks, and runs what follows them.
  void finish_all();

 private:
  struct Task {
    std::function<void()> work;
    std::function<void()> then;
  };
  void run(const std::stop_token& stop);

  const std::function<void()> wake_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Task> waiting_;                     // guarded by mutex_
  std::vector<std::function<void()>> finished_;  // guarded by mutex_
  size_t open_ = 0;                              // guarded by mutex_: submitted and not finished
  std::jthread thread_;
};

}  // namespace ballast
