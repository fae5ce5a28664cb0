#include "services/worker/training_loop.h"

#include <charconv>
#include <chrono>
#include <limits>
#include <string_view>

#include <fmt/format.h>

namespace ballast {
namespace {

constexpr Step kMostFaultySteps = 100000;

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// "7" or "10-19"; a range that is none comes back empty with begin > end.
std::pair<Step, Step> parse_range(std::string_view text) {
  Step first = 1;
  Step last = 0;
  const char* end = text.data() + text.size();
  auto read = std::from_chars(text.data(), end, first);
  last = first;
  if (read.ec == std::errc() && read.ptr != end && *read.ptr == '-') {
    read = std::from_chars(read.ptr + 1, end, last);
  }
  const bool right = read.ec == std::errc() && read.ptr == end && !text.empty();
  return right ? std::pair{first, last} : std::pair{Step{1}, Step{0}};
}

}  // namespace

Result<FaultSwitches> parse_fault_switches(const char* nan_step) {
  FaultSwitches faults;
  std::string_view text = nan_step == nullptr ? "" : nan_step;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    const auto [first, last] = parse_range(item);
    if (first > last || last - first >= kMostFaultySteps) {
      return fail(
          ErrorCode::kInvalid,
          fmt::format("BALLAST_TEST_NAN_STEP has '{}', expected a step or first-last", item));
    }
    for (Step step = first; step <= last; ++step) {
      faults.nan_steps.insert(step);
    }
  }
  return faults;
}

TrainingEnd TrainingLoop::run(Client& client) {
  double turn_began = seconds_now();
  accounted_ = turn_began;
  while (true) {
    const Next next = client.next_work();
    if (const End* end = std::get_if<End>(&next)) {
      const ExitCode code = end->refused  ? ExitCode::kRefused
                            : end->failed ? ExitCode::kFailed
                                          : ExitCode::kDone;
      return {code, end->reason};
    }
    if (auto done = perform(client, std::get<Work>(next)); !done) {
      return {ExitCode::kFailed, done.error().message};
    }
    account(client);
    metrics_.loop_turn(accounted_ - turn_began);
    turn_began = accounted_;
  }
}

void TrainingLoop::account(const Client& client) {
  const double now = seconds_now();
  metrics_.spent(now - accounted_, client.statistics());
  accounted_ = now;
}

Result<void> TrainingLoop::perform(Client& client, const Work& work) {
  ++works_;
  metrics_.works.Increment();
  metrics_.step.Set(static_cast<double>(work.step));
  if (!work.microbatches.empty() || work.evaluations.empty()) {
    metrics_.assigned_microbatches.Set(static_cast<double>(work.microbatches.size()));
  }
  const auto trained = train(client, work);
  if (!trained) {
    return tl::unexpected(trained.error());
  }
  if (!*trained) {
    metrics_.abandoned_microbatches.Increment();
    return {};
  }
  for (const uint32_t index : work.evaluations) {
    const auto going_on = evaluate(client, index);
    if (!going_on) {
      return tl::unexpected(going_on.error());
    }
    if (!*going_on) {
      return {};
    }
  }
  return {};
}

Result<bool> TrainingLoop::begin(Client& client, const Windows& windows,
                                 const std::optional<DropoutKey>& dropout) {
  ModelInput input;
  input.parameters = client.parameters();
  input.version = works_;  // the client may have pulled the same step anew
  input.tokens = windows.tokens;
  input.targets = windows.targets;
  input.need = [&client](uint64_t begin, uint64_t end) {
    return !client.abandoned() && client.wait_parameters(begin, end) == Wait::kReady;
  };
  input.dropout = dropout;
  input.trains = dropout.has_value();
  const auto begun = model_.begin(input);
  if (!begun && begun.error().code != ErrorCode::kGone) {
    return tl::unexpected(begun.error());
  }
  return begun.has_value();
}

Result<bool> TrainingLoop::train(Client& client, const Work& work) {
  const bool faulty = faults_.nan_steps.contains(work.step);
  const auto begin_one = [&](size_t i) -> Result<bool> {
    if (i == work.microbatches.size()) return true;
    const Microbatch microbatch = work.microbatches[i];
    return begin(client, training_windows(job_, data_, work.step, microbatch),
                 DropoutKey{job_.seed, work.step, microbatch});
  };
  Result<bool> under_way = begin_one(0);
  for (size_t i = 0; i < work.microbatches.size(); ++i) {
    if (!under_way || !*under_way) {
      return under_way;
    }
    const auto sum = model_.loss();
    if (!sum) {
      return tl::unexpected(sum.error());
    }
    const std::span<float> gradient =
        client.begin_microbatch(work.microbatches[i], sum->tokens, sum->loss);
    bool begun = false;
    const auto done = model_.backward(
        gradient,
        [&](uint64_t begin, uint64_t end) {
          if (faulty) {
            gradient[begin] = std::numeric_limits<float>::quiet_NaN();
          }
          client.finished(begin, end);
        },
        [&] {
          begun = true;
          under_way = begin_one(i + 1);
        });
    if (!done) {
      return tl::unexpected(done.error());
    }
    client.end_microbatch();
    account(client);
    metrics_.device(model_.device());
    metrics_.microbatches.Increment();
    metrics_.tokens.Increment(static_cast<double>(sum->tokens));
    if (!begun) {
      under_way = begin_one(i + 1);
    }
  }
  return true;
}

Result<bool> TrainingLoop::evaluate(Client& client, uint32_t index) {
  const Windows windows = evaluation_windows(job_, data_, index);
  if (windows.tokens.empty()) {
    client.evaluation_done(index, 0, 0);
    return true;
  }
  const auto begun = begin(client, windows, std::nullopt);
  if (!begun || !*begun) {
    return begun;
  }
  const auto sum = model_.loss();
  if (!sum) {
    return tl::unexpected(sum.error());
  }
  client.evaluation_done(index, sum->loss, sum->tokens);
  metrics_.evaluation_tokens.Increment(static_cast<double>(sum->tokens));
  return true;
}

}  // namespace ballast
