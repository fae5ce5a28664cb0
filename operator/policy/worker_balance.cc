#include "operator/policy/worker_balance.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "operator/policy/apportion.h"

namespace ballast::policy {
namespace {

class Balance {
 public:
  Balance(const WorkerBalanceOptions& options, const JobView& view, const WorkerBalanceState& state,
          TimeMs now)
      : options_(options), view_(view), state_(state), now_(now) {
    outcome_.decision.policy = Policy::kWorkerBalance;
    outcome_.next = state;
    for (const WorkerView& worker : view.workers) {
      names_.push_back(worker.name);
      counts_.push_back(worker.microbatches);
      outcome_.decision.inputs.push_back(
          {"microbatches." + worker.name, static_cast<double>(worker.microbatches)});
    }
  }

  WorkerBalanceOutcome run() {
    if (options_.mode == Mode::kOff) return hold("Off", "the policy is off");
    if (!view_.unsettled.empty()) return hold(view_.unsettled, "the job is not at rest");
    if (counts_.empty()) return hold("NoWorkers", "there is no worker");
    const int64_t assigned = std::accumulate(counts_.begin(), counts_.end(), int64_t{0});
    if (assigned > view_.microbatches ||
        std::any_of(counts_.begin(), counts_.end(), [](int64_t count) { return count < 0; })) {
      return hold("ContradictorySamples", "the workers hold more than there is");
    }
    switch (options_.method) {
      case BalanceMethod::kMeasured:
        return measured();
      case BalanceMethod::kLeastLoaded:
        return least_loaded(assigned);
      case BalanceMethod::kStatic:
        return fixed(equal_shares(0));
      case BalanceMethod::kRoundRobin:
        return fixed(equal_shares(state_.changes + (state_.workers != names_ ? 1 : 0)));
      case BalanceMethod::kWeighted:
        return weighted();
      case BalanceMethod::kPriority:
        return by_priority();
    }
    return hold("Off", "no method");
  }

 private:
  WorkerBalanceOutcome hold(std::string reason, std::string message) {
    outcome_.decision.action = Action::kHold;
    outcome_.decision.reason = std::move(reason);
    outcome_.decision.message = std::move(message);
    return outcome_;
  }

  WorkerBalanceOutcome change(std::string reason, std::string message,
                              std::vector<int64_t> counts) {
    if (state_.changed_ms && now_ - *state_.changed_ms < options_.cool_down_ms)
      return hold("CoolDown", "the last change was a moment ago");
    outcome_.decision.action = Action::kChange;
    outcome_.decision.reason = std::move(reason);
    outcome_.decision.message = std::move(message);
    outcome_.decision.carried_out = options_.mode == Mode::kAct;
    outcome_.wish = Shares{names_, std::move(counts)};
    outcome_.next = {now_, names_, state_.changes + 1};
    return outcome_;
  }

  WorkerBalanceOutcome measured() {
    const auto median = median_speed(view_.workers);
    std::vector<double> speeds;
    for (const WorkerView& worker : view_.workers) {
      if (!worker.speed && !worker.joining)
        return hold("PartialSamples", "no sound measurement of " + worker.name);
      if (!median) return hold("NoSamples", "no worker has been measured yet");
      // A newcomer is taken for an ordinary one until it has been measured.
      speeds.push_back(std::max(worker.speed.value_or(*median), 1e-9));
      outcome_.decision.inputs.push_back({"speed." + worker.name, speeds.back()});
    }
    std::vector<int64_t> wish =
        nearer_shares(view_.microbatches, counts_, speeds, options_.tolerance, options_.most_moves);
    const int64_t assigned = std::accumulate(counts_.begin(), counts_.end(), int64_t{0});
    const double now_seconds = step_seconds(counts_, speeds);
    const double then_seconds = step_seconds(wish, speeds);
    outcome_.decision.inputs.push_back({"seconds_now", now_seconds});
    outcome_.decision.inputs.push_back({"seconds_then", then_seconds});
    const bool complete = assigned == view_.microbatches;
    const bool idle_worker =
        std::count(counts_.begin(), counts_.end(), 0) > std::count(wish.begin(), wish.end(), 0);
    if (wish == counts_ ||
        (complete && !idle_worker && then_seconds > (1 - options_.least_gain) * now_seconds)) {
      return hold("Balanced", "no move would shorten the step by enough");
    }
    return change("SpeedsDiffer",
                  fmt::format("{} microbatches change hands; the slowest worker computes {:.4g} s "
                              "instead of {:.4g} s a step",
                              moves_between(counts_, wish), then_seconds, now_seconds),
                  wish);
  }

  WorkerBalanceOutcome least_loaded(int64_t assigned) {
    if (assigned < view_.microbatches || std::count(counts_.begin(), counts_.end(), 0) > 0)
      return fixed(equal_shares(0));
    size_t busiest = 0;
    size_t idlest = 0;
    for (size_t i = 0; i < view_.workers.size(); ++i) {
      const WorkerView& worker = view_.workers[i];
      if (!worker.busy_seconds && worker.joining)
        return hold("WaitingForNewcomer", worker.name + " has not been measured yet");
      if (!worker.busy_seconds)
        return hold("PartialSamples", "no sound measurement of " + worker.name);
      outcome_.decision.inputs.push_back({"busy." + worker.name, *worker.busy_seconds});
      if (*worker.busy_seconds > *view_.workers[busiest].busy_seconds) busiest = i;
      if (*worker.busy_seconds < *view_.workers[idlest].busy_seconds) idlest = i;
    }
    const double most = *view_.workers[busiest].busy_seconds;
    const double least = *view_.workers[idlest].busy_seconds;
    const double after =
        least * static_cast<double>(counts_[idlest] + 1) / static_cast<double>(counts_[idlest]);
    if (counts_[busiest] <= 1 || after > most * (1 - options_.least_gain))
      return hold("Balanced", "one more would make the idlest the busiest");
    std::vector<int64_t> wish = counts_;
    --wish[busiest];
    ++wish[idlest];
    return change("LoadsDiffer", "one microbatch from " + names_[busiest] + " to " + names_[idlest],
                  wish);
  }

  std::vector<int64_t> equal_shares(int64_t turn) const {
    const auto workers = static_cast<int64_t>(counts_.size());
    std::vector<int64_t> wish(counts_.size(), view_.microbatches / workers);
    for (int64_t i = 0; i < view_.microbatches % workers; ++i)
      ++wish[static_cast<size_t>((turn + i) % workers)];
    return wish;
  }

  WorkerBalanceOutcome weighted() {
    std::vector<double> weights;
    for (const WorkerView& worker : view_.workers) weights.push_back(std::max(worker.weight, 1e-9));
    return fixed(best_shares(view_.microbatches, weights));
  }

  WorkerBalanceOutcome by_priority() {
    std::vector<size_t> order(counts_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return view_.workers[a].priority > view_.workers[b].priority;
    });
    std::vector<int64_t> wish(counts_.size(), 0);
    int64_t rest = view_.microbatches;
    for (size_t first = 0; first < order.size() && rest > 0;) {
      size_t last = first;  // of the same priority: equal shares, as far as each can take it
      const int64_t priority = view_.workers[order[first]].priority;
      while (last < order.size() && view_.workers[order[last]].priority == priority) ++last;
      for (bool taken = true; taken && rest > 0;) {
        taken = false;
        for (size_t i = first; i < last && rest > 0; ++i) {
          const int64_t capacity = view_.workers[order[i]].capacity;
          if (capacity > 0 && wish[order[i]] >= capacity) continue;
          ++wish[order[i]];
          --rest;
          taken = true;
        }
      }
      first = last;
    }
    // Beyond all capacities the work must be done nevertheless.
    for (size_t i = 0; rest > 0; --rest, ++i) ++wish[order[i % order.size()]];
    return fixed(wish);
  }

  WorkerBalanceOutcome fixed(std::vector<int64_t> wish) {
    if (wish == counts_) return hold("Balanced", "the shares are those of the method");
    return change("SharesDiffer",
                  fmt::format("{} microbatches change hands", moves_between(counts_, wish)), wish);
  }

  const WorkerBalanceOptions& options_;
  const JobView& view_;
  const WorkerBalanceState& state_;
  const TimeMs now_;
  std::vector<std::string> names_;
  std::vector<int64_t> counts_;
  WorkerBalanceOutcome outcome_;
};

}  // namespace

std::optional<double> median_speed(const std::vector<WorkerView>& workers) {
  std::vector<double> speeds;
  for (const WorkerView& worker : workers) {
    if (worker.speed) speeds.push_back(*worker.speed);
  }
  if (speeds.empty()) return std::nullopt;
  std::sort(speeds.begin(), speeds.end());
  const size_t half = speeds.size() / 2;
  return speeds.size() % 2 == 1 ? speeds[half] : (speeds[half - 1] + speeds[half]) / 2;
}

WorkerBalanceOutcome balance_workers(const WorkerBalanceOptions& options, const JobView& view,
                                     const WorkerBalanceState& state, TimeMs now) {
  return Balance(options, view, state, now).run();
}

}  // namespace ballast::policy
