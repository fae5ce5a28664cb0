#include "operator/policy/worker_count.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace ballast::policy {
namespace {

struct Mean {
  int64_t samples = 0;
  double value = 0;
  double error = 0;  // standard error
  TimeMs newest_ms = 0;
};

// Of the newest `most` samples after `from_ms`.
Mean mean_of(const std::vector<ThroughputSample>& samples, TimeMs from_ms, int64_t most) {
  Mean mean;
  double sum = 0;
  double squares = 0;
  for (auto sample = samples.rbegin(); sample != samples.rend(); ++sample) {
    if (sample->at_ms <= from_ms || mean.samples == most) break;
    if (mean.samples == 0) mean.newest_ms = sample->at_ms;
    ++mean.samples;
    sum += sample->tokens_per_second;
    squares += sample->tokens_per_second * sample->tokens_per_second;
  }
  if (mean.samples == 0) return mean;
  const auto n = static_cast<double>(mean.samples);
  mean.value = sum / n;
  const double variance =
      mean.samples > 1 ? std::max(0.0, (squares - sum * mean.value) / (n - 1)) : 0;
  mean.error = std::sqrt(variance / n);
  return mean;
}

class Climb {
 public:
  Climb(const WorkerCountOptions& options, const JobView& view, const WorkerCountState& state,
        TimeMs now)
      : options_(options), view_(view), now_(now) {
    outcome_.decision.policy = Policy::kWorkerCount;
    outcome_.seen = state;
  }

  WorkerCountOutcome run() {
    WorkerCountState& state = outcome_.seen;
    const auto count = static_cast<int64_t>(view_.workers.size());
    input("workers", static_cast<double>(count));
    if (options_.mode == Mode::kOff) return hold("Off", "the policy is off");
    if (view_.horizontal_autoscaler)
      return hold("HorizontalAutoscaler", "a HorizontalPodAutoscaler decides on this number");
    if (!view_.unsettled.empty()) {
      // What is measured meanwhile means nothing.
      state.since_ms = now_;
      return hold(view_.unsettled, "the job is not at rest");
    }
    const bool on_the_way = count != view_.wanted_workers ||
                            std::any_of(view_.workers.begin(), view_.workers.end(),
                                        [](const WorkerView& worker) { return worker.joining; });
    if (on_the_way) {
      state.since_ms = now_;
      return hold("ChangeInFlight", "workers are starting, ending or new");
    }
    if (count != state.count) {  // somebody else's change: what was being tried is no more
      state.count = count;
      state.since_ms = now_;
      state.from.reset();
      state.throughput.reset();
      return hold("Measuring", "the number of workers is another one");
    }
    if (count < options_.least) return change(options_.least, "BelowMinimum", "");
    if (count > options_.most) return change(options_.most, "AboveMaximum", "");
    mean_ = mean_of(view_.throughput, state.since_ms + options_.settle_ms, options_.most_samples);
    if (mean_.samples < options_.least_samples)
      return hold("Measuring", "too few samples since the last change");
    if (now_ - mean_.newest_ms > options_.fresh_ms)
      return hold("StaleSamples", "the newest sample of the throughput is old");
    input("tokens_per_second", mean_.value);
    input("standard_error", mean_.error);
    if (!(mean_.value > 0)) return hold("NoThroughput", "nothing is trained");
    if (state.from) return judge();
    return next_trial();
  }

 private:
  void input(std::string name, double value) {
    outcome_.decision.inputs.push_back({std::move(name), value});
  }

  WorkerCountOutcome hold(std::string reason, std::string message) {
    outcome_.decision.reason = std::move(reason);
    outcome_.decision.message = std::move(message);
    outcome_.next = outcome_.seen;
    return outcome_;
  }

  WorkerCountOutcome change(int64_t to, std::string reason, const std::string& why) {
    outcome_.next = outcome_.seen;
    outcome_.next.count = to;
    outcome_.next.since_ms = now_;
    outcome_.next.throughput.reset();
    outcome_.decision.action = Action::kChange;
    outcome_.decision.reason = std::move(reason);
    outcome_.decision.message =
        fmt::format("{} workers instead of {}{}", to, outcome_.seen.count, why);
    outcome_.decision.carried_out = options_.mode == Mode::kAct;
    outcome_.wish = to;
    return outcome_;
  }

  WorkerCountOutcome trial(int64_t to, std::string reason) {
    WorkerCountOutcome& outcome = outcome_;
    change(to, std::move(reason), ": to see what that brings");
    outcome.next.from = outcome.seen.count;
    outcome.next.from_throughput = mean_.value;
    outcome.next.from_error = mean_.error;
    return outcome;
  }

  // What one worker of the difference brings, in mean workers of the smaller number.
  WorkerCountOutcome judge() {
    WorkerCountState& state = outcome_.seen;
    const int64_t from = *state.from;
    const bool more = state.count > from;
    const double difference =
        more ? mean_.value - state.from_throughput : state.from_throughput - mean_.value;
    const double smaller = more ? state.from_throughput / static_cast<double>(from)
                                : mean_.value / static_cast<double>(state.count);
    const auto workers = static_cast<double>(std::abs(state.count - from));
    const double marginal = difference / workers / smaller;
    const double error = std::hypot(mean_.error, state.from_error) / workers / smaller;
    input("marginal", marginal);
    input("marginal_error", error);
    const double enough =
        more ? options_.least_marginal : options_.least_marginal * options_.let_go_below;
    const bool unclear = std::abs(marginal - enough) < 2 * error;
    if (unclear && mean_.samples < options_.most_samples)
      return hold("Measuring", "the difference lies within what is measured by chance");
    // What stays unclear leaves a number that was found before as it is.
    const bool better = !(state.settled && unclear) && (marginal >= enough) == more;
    if (better) {
      state.from.reset();
      state.throughput = mean_.value;
      keep(more, state.count - from, marginal);
      return hold(more ? "MorePays" : "FewerSuffice", "the number that was tried stays");
    }
    if (more && state.count - from > 1) return try_between(from);
    WorkerCountOutcome back =
        change(from, more ? "MoreDoesNotPay" : "FewerCostTooMuch", ": as it was before");
    WorkerCountState& next = back.next;
    next.from.reset();
    TimeMs& until_ms = more ? next.no_more_until_ms : next.no_fewer_until_ms;
    TimeMs& other_ms = more ? next.no_fewer_until_ms : next.no_more_until_ms;
    TimeMs& retry_ms = more ? next.more_retry_ms : next.fewer_retry_ms;
    retry_ms =
        retry_ms == 0 ? options_.retry_ms : std::min(2 * retry_ms, options_.longest_retry_ms);
    until_ms = now_ + retry_ms;
    if (next.settled) other_ms = std::max(other_ms, now_ + options_.retry_ms);
    return back;
  }

  // Several at once do not pay: one of them may, beside what was measured before. Then the next one
  // does not, or all of them would have.
  WorkerCountOutcome try_between(int64_t from) {
    change(from + 1, "MoreDoesNotPay", ": one more than before may pay");
    outcome_.next.stride = 1;
    outcome_.next.no_more_until_ms = now_ + options_.retry_ms;
    return outcome_;
  }

  void keep(bool more, int64_t added, double marginal) {
    WorkerCountState& state = outcome_.seen;
    const TimeMs later_ms = now_ + options_.retry_ms;
    // Of two that came at once, the one between has not been tried.
    if (state.settled || (more && added == 1))
      state.no_fewer_until_ms = std::max(state.no_fewer_until_ms, later_ms);
    if (state.settled || !more) state.no_more_until_ms = std::max(state.no_more_until_ms, later_ms);
    (more ? state.more_retry_ms : state.fewer_retry_ms) = 0;
    if (more) state.stride = marginal >= 0.8 ? 2 : 1;
  }

  WorkerCountOutcome next_trial() {
    WorkerCountState& state = outcome_.seen;
    if (!state.throughput) {
      state.throughput = mean_.value;
    } else if (mean_.samples >= options_.most_samples &&
               std::abs(mean_.value / *state.throughput - 1) > options_.other_load) {
      state.throughput = mean_.value;
      state.no_more_until_ms = state.no_fewer_until_ms = now_;
      state.more_retry_ms = state.fewer_retry_ms = 0;
      state.settled = false;
    }
    const int64_t stride = state.settled ? 1 : std::max<int64_t>(1, state.stride);
    if (now_ >= state.no_more_until_ms && state.count < options_.most)
      return trial(std::min(options_.most, state.count + stride), "TryMore");
    if (now_ >= state.no_fewer_until_ms && state.count > options_.least)
      return trial(state.count - 1, "TryFewer");
    state.settled = true;
    return hold("Settled", "neither more nor fewer workers are worth a trial now");
  }

  const WorkerCountOptions& options_;
  const JobView& view_;
  const TimeMs now_;
  Mean mean_;
  WorkerCountOutcome outcome_;
};

}  // namespace

WorkerCountOutcome count_workers(const WorkerCountOptions& options, const JobView& view,
                                 const WorkerCountState& state, TimeMs now) {
  return Climb(options, view, state, now).run();
}

}  // namespace ballast::policy
