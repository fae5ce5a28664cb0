// Fetches /metrics of the run's processes now and then, in a thread of its own, and keeps the last
// answer of each, also when it has ended: counters of a run are the sum over all its processes
// ever. Any thread may call.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/error.h"
#include "operator/scrape/exposition.h"

namespace ballast::local {

// GET over plain HTTP/1.0 with a deadline; the body, at most 4 MiB. Errors name the address.
Result<std::string> http_get(const std::string& address, const std::string& path, int deadline_ms);

// The last answer that could be read of a process, also when it has ended; times of SteadyClock.
struct TimedAnswer {
  std::string process;
  int64_t asked_ms = 0;
  int64_t answered_ms = 0;
  std::shared_ptr<const scrape::Exposition> exposition;
};

class Scraper {
 public:
  explicit Scraper(int every_ms);
  ~Scraper() = default;

  void add(const std::string& process, const std::string& address);
  void remove(const std::string& process);  // ended; what it counted stays
  void scrape_now();                        // waits for all answers

  // When each process that is watched answered last, in milliseconds of SteadyClock.
  std::map<std::string, int64_t> answered_ms() const;

  // The last answer that could be read, of every process.
  std::vector<scrape::Answer> answers() const;
  std::optional<TimedAnswer> latest(const std::string& process) const;

 private:
  void run(const std::stop_token& stop, int every_ms);
  std::map<std::string, std::string> targets() const;

  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  std::map<std::string, std::string> targets_;       // guarded by mutex_
  std::map<std::string, TimedAnswer> last_answers_;  // guarded by mutex_
  std::map<std::string, int64_t> answered_ms_;       // guarded by mutex_
  std::jthread thread_;
};

}  // namespace ballast::local
