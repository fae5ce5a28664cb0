// Fetches /metrics of all pods of a cluster's jobs, again and again, and says which life of which
// process answers there (ballast_process_info). One thread that waits for many answers at once, so
// that thousands of pods that are silent hold up nobody; one that does not answer is asked less
// often. Any thread may ask.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>

#include "common/clock.h"
#include "common/mutex.h"
#include "operator/scrape/exposition.h"

namespace ballast::cluster {

struct PodScraperOptions {
  int64_t every_ms = 1'000;
  int64_t deadline_ms = 500;     // of one answer
  int64_t first_retry_ms = 100;  // of one that has not answered yet; doubles
  int64_t longest_retry_ms = 8'000;
  size_t at_once = 256;
  // In all: of more pods than that each is asked less often than every_ms.
  int64_t most_per_second = 1'000;
  // Without an answer, in about 6 s: where everything has just begun, processors may be busy.
  int tries_to_know = 6;
};

struct ScrapeTarget {
  std::string address;  // HOST:PORT, numeric
  std::string process;  // "ps-0": another that answers there is not meant
  // Another life answers, or it is known that none does; on the scraper's thread.
  std::function<void()> changed;
};

// The last answer of a pod that could be read. Times of SteadyClock.
struct PodAnswer {
  uint64_t incarnation = 0;
  int64_t asked_ms = 0;
  int64_t answered_ms = 0;
  // Until then it is not asked again only because there are so many, and counts as one that
  // answers.
  int64_t spared_until_ms = 0;
  std::shared_ptr<const scrape::Exposition> exposition;  // null: it was taken
};

class PodScraper {
 public:
  explicit PodScraper(PodScraperOptions options = {});
  ~PodScraper();
  PodScraper(const PodScraper&) = delete;
  PodScraper& operator=(const PodScraper&) = delete;

  // `pod`: its uid. Nothing changes where it is followed at this address already.
  void follow(const std::string& pod, const ScrapeTarget& target);
  void forget(const std::string& pod);

  // Nothing: the process that is meant has not answered yet.
  std::optional<PodAnswer> latest(const std::string& pod) const;
  // The exposition that was asked for then has been read: 20 kB a pod need not stay.
  void taken(const std::string& pod, int64_t asked_ms);
  // Whether it has answered, or has not in as many tries as it takes to say so.
  bool known(const std::string& pod) const;

 private:
  struct Followed {
    ScrapeTarget target;
    int64_t due_ms = 0;
    int64_t retry_ms = 0;
    int failures = 0;  // before the first answer
    std::optional<PodAnswer> answer;
  };
  class Fetch;
  using Fetches = std::vector<std::unique_ptr<Fetch>>;

  void run(const std::stop_token& stop);
  void begin_due(Fetches& open);
  void wait(const Fetches& open, const std::stop_token& stop);
  void take_ended(Fetches& open);
  void take(const Fetch& fetch);
  int64_t period_ms() const BALLAST_REQUIRES(mutex_);
  bool is_known(const Followed& followed) const;
  void plan(const std::string& pod, Followed& followed, int64_t due_ms) BALLAST_REQUIRES(mutex_);

  const PodScraperOptions options_;
  const SteadyClock clock_{};
  mutable Mutex mutex_;
  std::condition_variable_any wake_;
  std::unordered_map<std::string, Followed> pods_ BALLAST_GUARDED_BY(mutex_);  // by uid
  std::set<std::pair<int64_t, std::string>> due_ BALLAST_GUARDED_BY(mutex_);
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace ballast::cluster
