// Reads checkpoints back and deletes them, one after the other, on a thread of its own: nothing
// else waits for the disk. Any thread may call; `notify` is called on the other one.
#pragma once

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "common/error.h"

namespace ballast::local {

class CheckpointKeeper {
 public:
  // Reading takes long: told to stop, it ends, and nobody asks what it came to.
  using Verify = std::function<Result<void>(const std::filesystem::path&, const std::stop_token&)>;
  using Remove = std::function<Result<void>(const std::filesystem::path&)>;
  struct Done {
    std::string directory;
    bool deletion = false;
    std::string error;  // empty: it went well
  };

  CheckpointKeeper(Verify verify, Remove remove, std::function<void()> notify);
  ~CheckpointKeeper() = default;  // what is read is given up, what has not begun is dropped

  void verify(const std::string& directory) { add({directory, false, ""}); }
  void remove(const std::string& directory) { add({directory, true, ""}); }
  std::vector<Done> take();

 private:
  void add(Done task);
  void run(const std::stop_token& stop);

  const Verify verify_;
  const Remove remove_;
  const std::function<void()> notify_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Done> waiting_;  // guarded by mutex_
  std::vector<Done> done_;    // guarded by mutex_
  std::jthread thread_;
};

}  // namespace ballast::local
