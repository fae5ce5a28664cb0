#include "operator/cluster/pod_scraper.h"

#include <poll.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>
#include <vector>

#include "operator/cluster/http_fetch.h"
#include "operator/scrape/parse.h"

namespace ballast::cluster {
namespace {

// While answers are awaited: how late a new pod or a stop is seen at most.
constexpr int kLongestPollMs = 20;
constexpr int64_t kLongestSleepMs = 1'000;

// Of the process that answers, the label of ballast_process_info; 0: it is not the one that is
// meant, or does not say.
uint64_t incarnation_of(const scrape::Exposition& exposition, const std::string& process) {
  for (const scrape::Sample& sample : exposition.samples) {
    if (sample.name != "ballast_process_info") continue;
    if (exposition.label_of(sample, "process") != process) return 0;
    const std::string_view life = exposition.label_of(sample, "incarnation");
    const char* end = life.data() + life.size();
    uint64_t incarnation = 0;
    const auto parsed = std::from_chars(life.data(), end, incarnation);
    return parsed.ec == std::errc() && parsed.ptr == end ? incarnation : 0;
  }
  return 0;
}

}  // namespace

class PodScraper::Fetch {
 public:
  Fetch(std::string pod, std::string process, const std::string& address, int64_t now_ms)
      : pod_(std::move(pod)),
        process_(std::move(process)),
        address_(address),
        asked_ms_(now_ms),
        http_(address, "/metrics") {}

  const std::string& pod() const { return pod_; }
  const std::string& address() const { return address_; }
  int64_t asked_ms() const { return asked_ms_; }
  HttpFetch& http() { return http_; }
  const HttpFetch& http() const { return http_; }

  // Nothing: no answer, or not one of the process that is meant.
  std::optional<PodAnswer> answer(int64_t now_ms) const {
    const auto body = http_.body();
    if (!body) return std::nullopt;
    auto read = scrape::parse(*body, scrape::Format::kPrometheus);
    if (!read) return std::nullopt;
    const uint64_t incarnation = incarnation_of(*read, process_);
    if (incarnation == 0) return std::nullopt;
    return PodAnswer{incarnation, asked_ms_, now_ms, 0,
                     std::make_shared<const scrape::Exposition>(std::move(*read))};
  }

 private:
  const std::string pod_;
  const std::string process_;
  const std::string address_;
  const int64_t asked_ms_;
  HttpFetch http_;
};

PodScraper::PodScraper(PodScraperOptions options)
    : options_(options), thread_([this](const std::stop_token& stop) { run(stop); }) {}

PodScraper::~PodScraper() {
  thread_.request_stop();
  thread_.join();
}

void PodScraper::follow(const std::string& pod, const ScrapeTarget& target) {
  const MutexLock lock(mutex_);
  const auto [place, is_new] = pods_.try_emplace(pod);
  Followed& followed = place->second;
  if (!is_new && followed.target.address == target.address) return;
  followed.target = target;
  followed.retry_ms = options_.first_retry_ms;
  followed.answer.reset();
  followed.failures = 0;
  plan(pod, followed, clock_.now_ms());
  wake_.notify_one();
}

void PodScraper::forget(const std::string& pod) {
  const MutexLock lock(mutex_);
  const auto found = pods_.find(pod);
  if (found == pods_.end()) return;
  due_.erase({found->second.due_ms, pod});
  pods_.erase(found);
}

std::optional<PodAnswer> PodScraper::latest(const std::string& pod) const {
  const MutexLock lock(mutex_);
  const auto found = pods_.find(pod);
  return found == pods_.end() ? std::nullopt : found->second.answer;
}

void PodScraper::taken(const std::string& pod, int64_t asked_ms) {
  const MutexLock lock(mutex_);
  const auto found = pods_.find(pod);
  if (found == pods_.end() || !found->second.answer) return;
  if (found->second.answer->asked_ms == asked_ms) found->second.answer->exposition.reset();
}

bool PodScraper::known(const std::string& pod) const {
  const MutexLock lock(mutex_);
  const auto found = pods_.find(pod);
  return found != pods_.end() && is_known(found->second);
}

bool PodScraper::is_known(const Followed& followed) const {
  return followed.answer || followed.failures >= options_.tries_to_know;
}

int64_t PodScraper::period_ms() const {
  const auto pods = static_cast<int64_t>(pods_.size());
  return std::max(options_.every_ms, pods * 1'000 / options_.most_per_second);
}

void PodScraper::plan(const std::string& pod, Followed& followed, int64_t due_ms) {
  due_.erase({followed.due_ms, pod});
  followed.due_ms = due_ms;
  due_.insert({due_ms, pod});
}

void PodScraper::run(const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] {
    const MutexLock lock(mutex_);
    wake_.notify_all();
  });
  Fetches open;
  while (!stop.stop_requested()) {
    begin_due(open);
    wait(open, stop);
    take_ended(open);
  }
}

void PodScraper::begin_due(Fetches& open) {
  const int64_t now_ms = clock_.now_ms();
  const MutexLock lock(mutex_);
  while (open.size() < options_.at_once && !due_.empty() && due_.begin()->first <= now_ms) {
    const std::string pod = due_.begin()->second;
    due_.erase(due_.begin());  // it comes back when this has ended
    const ScrapeTarget& target = pods_.at(pod).target;
    open.push_back(std::make_unique<Fetch>(pod, target.process, target.address, now_ms));
    open.back()->http().advance();
  }
}

void PodScraper::wait(const Fetches& open, const std::stop_token& stop) {
  if (open.empty()) {
    const MutexLock lock(mutex_);
    const int64_t until_ms = due_.empty() ? kLongestSleepMs : due_.begin()->first - clock_.now_ms();
    if (until_ms <= 0 || stop.stop_requested()) return;
    wake_.wait_for(mutex_, std::chrono::milliseconds(std::min(until_ms, kLongestSleepMs)));
    return;
  }
  std::vector<pollfd> waits;
  for (const auto& fetch : open) {
    if (fetch->http().ended()) return;
    waits.push_back({fetch->http().descriptor(), fetch->http().events(), 0});
  }
  ::poll(waits.data(), waits.size(), kLongestPollMs);
}

void PodScraper::take_ended(Fetches& open) {
  std::erase_if(open, [&](const std::unique_ptr<Fetch>& fetch) {
    const bool late = clock_.now_ms() - fetch->asked_ms() > options_.deadline_ms;
    if (!fetch->http().advance() && !late) return false;
    take(*fetch);
    return true;
  });
}

void PodScraper::take(const Fetch& fetch) {
  const int64_t now_ms = clock_.now_ms();
  auto answer = fetch.answer(now_ms);
  std::function<void()> changed;
  {
    const MutexLock lock(mutex_);
    const auto found = pods_.find(fetch.pod());
    // Forgotten meanwhile, or elsewhere.
    if (found == pods_.end() || found->second.target.address != fetch.address()) return;
    Followed& followed = found->second;
    if (answer) {
      const uint64_t before = followed.answer ? followed.answer->incarnation : 0;
      if (before != answer->incarnation) changed = followed.target.changed;
      const int64_t due_ms = fetch.asked_ms() + period_ms();
      answer->spared_until_ms = due_ms - options_.every_ms;
      followed.answer = std::move(answer);
      followed.retry_ms = options_.first_retry_ms;
      plan(fetch.pod(), followed, due_ms);
    } else {
      const bool before = is_known(followed);
      if (!followed.answer) ++followed.failures;
      if (!before && is_known(followed)) changed = followed.target.changed;
      plan(fetch.pod(), followed, now_ms + followed.retry_ms);
      followed.retry_ms = std::min(followed.retry_ms * 2, options_.longest_retry_ms);
    }
  }
  if (changed) changed();
}

}  // namespace ballast::cluster
