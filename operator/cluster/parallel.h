// Does the items of several batches at once on a fixed number of threads: batches take turns item
// by item, so that a small one is soon done beside a large one. A batch begins with some items and
// doubles with each success, and begins no more after the first error: a quota that is used up
// costs a few requests, and not a thousand. Any thread may bring a batch; it waits for its end.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "common/error.h"
#include "common/mutex.h"

namespace ballast::cluster {

// The pods of a small job are made in one go, which matters most where each answer takes long.
inline constexpr size_t kFirstAtOnce = 16;
// Where something was refused before.
inline constexpr size_t kCarefullyAtOnce = 1;

class Parallel {
 public:
  explicit Parallel(int threads);
  ~Parallel();  // after the last batch
  Parallel(const Parallel&) = delete;
  Parallel& operator=(const Parallel&) = delete;

  // item(0) to item(count - 1), each once at most, on our threads. The first error that came.
  // `meanwhile` is done by the caller while they are under way. `first_at_once`: how many begin
  // before the first success; at least 1.
  Result<void> for_each(size_t count, const std::function<Result<void>(size_t)>& item,
                        const std::function<void()>& meanwhile = {},
                        size_t first_at_once = kFirstAtOnce);

 private:
  struct Batch {
    size_t count = 0;
    const std::function<Result<void>(size_t)>* item = nullptr;
    size_t begun = 0;
    size_t ended = 0;
    size_t at_once = kFirstAtOnce;  // may be under way
    bool in_line = false;
    Result<void> result;
    bool may_begin() const { return result && begun < count && begun - ended < at_once; }
    bool over() const { return begun == ended && (!result || begun == count); }
  };

  void work(const std::stop_token& stop);
  void line_up(Batch& batch) BALLAST_REQUIRES(mutex_);
  void end(Batch& batch, Result<void> result) BALLAST_REQUIRES(mutex_);

  Mutex mutex_;
  std::condition_variable_any work_;                    // there is an item
  std::condition_variable_any over_;                    // a batch has ended
  std::deque<Batch*> line_ BALLAST_GUARDED_BY(mutex_);  // that may begin an item
  std::vector<std::jthread> threads_;
};

}  // namespace ballast::cluster
