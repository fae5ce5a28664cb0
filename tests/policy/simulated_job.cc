#include "tests/policy/simulated_job.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/check.h"
#include "operator/policy/apportion.h"
#include "operator/scrape/parse.h"

namespace ballast::policy {
namespace {

constexpr double kTokens = 1024;     // of a microbatch
constexpr TimeMs kYoungMs = 60'000;  // a worker younger than this may be without a measurement
constexpr TimeMs kSoundMs = 15'000;  // History's staleness
constexpr double kLongestSliceSeconds = 0.5;  // while nobody is ready

}  // namespace

double Random::unit() {
  uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1.0p-53;
}

SimulatedJob::SimulatedJob(SimulatedOptions options)
    : options_(std::move(options)), random_(options_.seed), history_(wanted_series()) {
  for (const double speed : options_.speeds) start(speed, 0);
}

void SimulatedJob::start(double speed, TimeMs takes_ms) {
  Worker worker;
  worker.name = fmt::format("worker-{}.{}", workers_.size(), ++lives_);
  worker.speed = speed;
  worker.started_ms = now();
  worker.ready_ms = now() + takes_ms;
  worker.answered_ms = worker.ready_ms;
  workers_.push_back(std::move(worker));
}

// What the coordinator does by itself when workers come or go.
void SimulatedJob::share_equally() {
  ready_workers_ = 0;
  for (const Worker& worker : workers_) ready_workers_ += ready(worker);
  const auto all = static_cast<int64_t>(ready_workers_);
  int64_t number = 0;
  for (Worker& worker : workers_) {
    worker.count = 0;
    if (!ready(worker)) continue;
    worker.count =
        options_.microbatches * (number + 1) / all - options_.microbatches * number / all;
    ++number;
  }
}

void SimulatedJob::step() {
  size_t ready_now = 0;
  int64_t assigned = 0;
  for (const Worker& worker : workers_) {
    ready_now += ready(worker);
    assigned += worker.count;
  }
  if (ready_now != ready_workers_ || assigned != options_.microbatches) share_equally();
  if (ready_now == 0) {
    now_seconds_ += kLongestSliceSeconds;
    return;
  }
  double longest = 0;
  for (Worker& worker : workers_) {
    if (worker.count == 0) continue;
    const double noise = 1 + options_.noise * (2 * random_.unit() - 1);
    const double seconds = static_cast<double>(worker.count) / worker.speed * noise;
    worker.microbatches_total += static_cast<double>(worker.count);
    worker.compute_seconds += seconds;
    longest = std::max(longest, seconds);
  }
  now_seconds_ += longest + options_.seconds_per_worker * static_cast<double>(ready_now);
  tokens_ += kTokens * static_cast<double>(options_.microbatches);
}

void SimulatedJob::scrape() {
  const auto observe = [&](const std::string& target, const std::string& text) {
    if (random_.unit() < options_.lost) return false;
    const bool late = random_.unit() < options_.late;
    const auto read = scrape::parse(text, scrape::Format::kPrometheus);
    CHECK(read);
    return !history_.observe(target, now(), now() + (late ? 5'000 : random_.below(100)), *read);
  };
  for (Worker& worker : workers_) {
    if (!ready(worker) || worker.silent) continue;
    const bool sound = observe(
        worker.name, fmt::format("# TYPE ballast_worker_microbatches_total counter\n"
                                 "ballast_worker_microbatches_total {}\n"
                                 "# TYPE ballast_worker_time_seconds_total counter\n"
                                 "ballast_worker_time_seconds_total{{part=\"compute\"}} {}\n"
                                 "ballast_worker_time_seconds_total{{part=\"wait\"}} 1e9\n",
                                 worker.microbatches_total, worker.compute_seconds));
    if (sound) worker.answered_ms = now();
  }
  if (observe("ps-0",
              fmt::format("ballast_tokens_total {}\nballast_busy_seconds_total 0\n", tokens_))) {
    std::vector<ServerView> servers = {{"ps-0", "", {}, false}};
    if (const auto sample =
            measure_throughput(history_, servers, options_.scrape_every_ms + 500, now()))
      throughput_.push_back(*sample);
  }
}

void SimulatedJob::decide() {
  JobView view;
  view.microbatches = options_.microbatches;
  view.wanted_workers = static_cast<int64_t>(workers_.size());
  view.throughput = throughput_;
  view.servers = {{"ps-0", "", 0.0, false}};
  view.wanted_servers = 1;
  for (const Worker& worker : workers_) {
    if (!ready(worker)) continue;
    WorkerView seen;
    seen.name = worker.name;
    seen.microbatches = worker.count;
    seen.joining = now() - worker.ready_ms < kYoungMs;
    view.workers.push_back(std::move(seen));
  }
  measure_workers(history_, {}, now(), view.workers);
  Evaluation evaluation = evaluate(options_.settings, view, state_, now());
  state_ = evaluation.next;
  decisions_ = evaluation.decisions;
  carry_out(evaluation, view);
}

void SimulatedJob::carry_out(const Evaluation& evaluation, const JobView& view) {
  if (evaluation.wish.empty()) return;
  Change change;
  change.at_ms = now();
  for (const Decision& decision : evaluation.decisions) {
    if (decision.carried_out) change.decision = decision;
  }
  for (const Worker& worker : workers_) {
    const bool young = now() - worker.ready_ms < kYoungMs;
    change.samples_sound =
        change.samples_sound && (young || now() - worker.answered_ms <= kSoundMs + 100);
  }
  if (const auto& shares = evaluation.wish.shares) {
    std::vector<int64_t> before;
    for (const WorkerView& worker : view.workers) before.push_back(worker.microbatches);
    change.moves = moves_between(before, shares->counts);
    for (size_t i = 0; i < shares->workers.size(); ++i) {
      const auto at = std::find_if(workers_.begin(), workers_.end(), [&](const Worker& worker) {
        return worker.name == shares->workers[i];
      });
      CHECK(at != workers_.end());
      at->count = shares->counts[i];
    }
  }
  if (const auto wish = evaluation.wish.workers) {
    while (static_cast<int64_t>(workers_.size()) < *wish)
      start(options_.newcomer_speed, options_.start_takes_ms);
    while (static_cast<int64_t>(workers_.size()) > *wish) workers_.pop_back();
  }
  if (const auto& replaced = evaluation.wish.replacement) {
    const auto at = std::find_if(workers_.begin(), workers_.end(), [&](const Worker& worker) {
      return worker.name == replaced->worker;
    });
    CHECK(at != workers_.end());
    at->speed = options_.newcomer_speed;
    kill(static_cast<size_t>(at - workers_.begin()));
  }
  changes_.push_back(std::move(change));
}

void SimulatedJob::run_for(TimeMs duration_ms) {
  const TimeMs until = now() + duration_ms;
  while (now() < until) {
    step();
    if (now() < next_scrape_ms_) continue;
    next_scrape_ms_ = std::max(next_scrape_ms_ + options_.scrape_every_ms, now() + 1);
    scrape();
    decide();
  }
}

void SimulatedJob::set_speeds(double factor) {
  for (Worker& worker : workers_) worker.speed *= factor;
}

void SimulatedJob::kill(size_t worker) {
  const double speed = workers_.at(worker).speed;
  history_.forget(workers_[worker].name);
  workers_.erase(workers_.begin() + static_cast<std::ptrdiff_t>(worker));
  start(speed, options_.start_takes_ms);
}

double SimulatedJob::throughput() const {
  std::vector<double> speeds;
  for (const Worker& worker : workers_) speeds.push_back(worker.speed);
  return static_cast<double>(options_.microbatches) / step_seconds(counts(), speeds);
}

double SimulatedJob::best_throughput() const {
  std::vector<double> speeds;
  for (const Worker& worker : workers_) speeds.push_back(worker.speed);
  return static_cast<double>(options_.microbatches) /
         step_seconds(best_shares(options_.microbatches, speeds), speeds);
}

double SimulatedJob::throughput_of(size_t workers) const {
  const std::vector<double> speeds(workers, options_.newcomer_speed);
  return static_cast<double>(options_.microbatches) /
         (step_seconds(best_shares(options_.microbatches, speeds), speeds) +
          options_.seconds_per_worker * static_cast<double>(workers));
}

int64_t SimulatedJob::changes_since(TimeMs at_ms) const {
  return std::count_if(changes_.begin(), changes_.end(),
                       [&](const Change& change) { return change.at_ms >= at_ms; });
}

int64_t SimulatedJob::changes_since(TimeMs at_ms, Policy policy) const {
  return std::count_if(changes_.begin(), changes_.end(), [&](const Change& change) {
    return change.at_ms >= at_ms && change.decision.policy == policy;
  });
}

std::vector<int64_t> SimulatedJob::counts() const {
  std::vector<int64_t> counts;
  for (const Worker& worker : workers_) counts.push_back(worker.count);
  return counts;
}

}  // namespace ballast::policy
