// Keeps the record of a run in a folder beside its checkpoints: every event as a line, and points
// of its progress, both bounded in size. A thread of its own writes, so that a disk that hangs
// holds up nobody; one that is full loses lines, which is told in the record once there is room.
// Any thread may add; the owner closes.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/mutex.h"
#include "operator/report/point_log.h"

namespace ballast::cmd {

struct RecordLimits {
  uint64_t most_event_bytes = 4u << 20;  // of a file; there are two at most
  size_t most_point_bytes = 4u << 20;
  size_t most_waiting = 10'000;  // events that the thread has not written yet
};

class RecordWriter {
 public:
  // Goes on with what the folder has of an earlier start of the same run.
  static Result<std::unique_ptr<RecordWriter>> open(const std::filesystem::path& folder,
                                                    const RecordLimits& limits = {});
  ~RecordWriter();  // closes it
  RecordWriter(const RecordWriter&) = delete;
  RecordWriter& operator=(const RecordWriter&) = delete;

  // An event of `ballast run --json`.
  void add(const nlohmann::json& event, int64_t unix_time_ms);

  // Writes what waits, and takes nothing more.
  void close();

  // Lines that were lost so far: no room on the disk, or the disk too slow.
  uint64_t lost() const;

 private:
  struct Waiting {
    nlohmann::json event;
    int64_t unix_time_ms = 0;
  };

  RecordWriter(std::filesystem::path folder, const RecordLimits& limits,
               std::vector<report::Point> known);
  void run(const std::stop_token& stop);
  void write(const Waiting& waiting);
  void write_event(const std::string& line);
  void write_points(const report::PointWrite& write);
  bool append(const std::filesystem::path& file, const std::string& text);
  void lose();

  const std::filesystem::path folder_;
  const RecordLimits limits_;
  report::PointLog points_;  // of the thread
  uint64_t untold_ = 0;      // of the thread: lines lost that the record does not tell yet
  mutable Mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<Waiting> waiting_ BALLAST_GUARDED_BY(mutex_);
  uint64_t dropped_ BALLAST_GUARDED_BY(mutex_) = 0;  // there was no room in the queue
  uint64_t lost_ BALLAST_GUARDED_BY(mutex_) = 0;
  std::jthread thread_;
};

}  // namespace ballast::cmd
