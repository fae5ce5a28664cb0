// Does the items of several batches at once on a fixed number of threads. Groups of batches
// (namespaces) take turns item by item, and so do the batches of a group: a small one is soon done
// beside a large one, and that of one team beside the hundreds of another. No group has more items
// under way than its share of the threads, even where some have nothing to do then: each request of
// the one would make those of the others take longer at an API server that is busy.
// A batch begins with some items and doubles with each success, and begins no more after the first
// error: a quota that is used up costs a few requests, and not a thousand. Any thread may bring a
// batch; it waits for its end.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "common/error.h"
#include "common/mutex.h"

namespace ballast::cluster {

// The pods of a small job are made in one go, which matters most where each answer takes long.
inline constexpr size_t kFirstAtOnce = 16;
// Where something was refused before.
inline constexpr size_t kCarefullyAtOnce = 1;

struct BatchOptions {
  std::string group = {};
  size_t first_at_once = kFirstAtOnce;  // begin before the first success; at least 1
  // What the caller does while they are under way.
  std::function<void()> meanwhile = {};
};

class Parallel {
 public:
  explicit Parallel(int threads);
  ~Parallel();  // after the last batch
  Parallel(const Parallel&) = delete;
  Parallel& operator=(const Parallel&) = delete;

  // item(0) to item(count - 1), each once at most, on our threads. The first error that came.
  Result<void> for_each(size_t count, const std::function<Result<void>(size_t)>& item,
                        const BatchOptions& options = {});

 private:
  struct Batch {
    std::string group;
    size_t count = 0;
    const std::function<Result<void>(size_t)>* item = nullptr;
    size_t begun = 0;
    size_t ended = 0;
    size_t at_once = 1;  // may be under way
    bool in_line = false;
    Result<void> result;
    bool may_begin() const { return result && begun < count && begun - ended < at_once; }
    bool over() const { return begun == ended && (!result || begun == count); }
  };

  // While it has a batch that is not over.
  struct Group {
    size_t batches = 0;
    size_t under_way = 0;     // items
    std::deque<Batch*> line;  // those that may begin an item
  };

  void work(const std::stop_token& stop);
  void enter(Batch& batch) BALLAST_REQUIRES(mutex_);
  void leave(const Batch& batch) BALLAST_REQUIRES(mutex_);
  void line_up(Batch& batch) BALLAST_REQUIRES(mutex_);
  void leave_line(Batch& batch) BALLAST_REQUIRES(mutex_);
  // The group whose turn it is, of those with a line that have not their share; or turns_.end().
  std::deque<std::string>::iterator next_turn() BALLAST_REQUIRES(mutex_);
  Batch* take_next() BALLAST_REQUIRES(mutex_);  // null: there is none that may begin
  void wake() BALLAST_REQUIRES(mutex_);
  void end(Batch& batch, Result<void> result) BALLAST_REQUIRES(mutex_);

  const size_t at_once_;
  Mutex mutex_;
  std::condition_variable_any work_;  // there is an item
  std::condition_variable_any over_;  // a batch has ended
  std::map<std::string, Group> groups_ BALLAST_GUARDED_BY(mutex_);
  std::deque<std::string> turns_ BALLAST_GUARDED_BY(mutex_);  // of groups with a line
  std::vector<std::jthread> threads_;
};

}  // namespace ballast::cluster
