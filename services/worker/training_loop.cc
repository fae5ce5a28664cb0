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
  metrics_.works.Increment();
  metrics_.step.Set(static_cast<double>(work.step));
  if (!work.microbatches.empty() || work.evaluations.empty()) {
    metrics_.assigned_microbatches.Set(static_cast<double>(work.microbatches.size()));
  }
  for (const Microbatch microbatch : work.microbatches) {
    const auto going_on = train(client, work.step, microbatch);
    if (!going_on) {
      return tl::unexpected(going_on.error());
    }
    if (!*going_on) {
      metrics_.abandoned_microbatches.Increment();
      return {};
    }
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

Result<LossSum> TrainingLoop::forward(Client& client, const Windows& windows,
                                      const std::optional<DropoutKey>& dropout) {
  return model_.forward(
      client.parameters(), windows.tokens, windows.targets,
      [&](uint64_t begin, uint64_t end) {
        return !client.abandoned() && client.wait_parameters(begin, end) == Wait::kReady;
      },
      dropout);
}

Result<bool> TrainingLoop::train(Client& client, Step step, Microbatch microbatch) {
  const Windows windows = training_windows(job_, data_, step, microbatch);
  const auto sum = forward(client, windows, DropoutKey{job_.seed, step, microbatch});
  if (!sum) {
    return sum.error().code == ErrorCode::kGone ? Result<bool>(false) : tl::unexpected(sum.error());
  }
  const bool faulty = faults_.nan_steps.contains(step);
  const std::span<float> gradient = client.begin_microbatch(microbatch, sum->tokens, sum->loss);
  model_.backward(gradient, [&](uint64_t begin, uint64_t end) {
    if (faulty) {
      gradient[begin] = std::numeric_limits<float>::quiet_NaN();
    }
    client.finished(begin, end);
  });
  client.end_microbatch();
  account(client);
  metrics_.microbatches.Increment();
  metrics_.tokens.Increment(static_cast<double>(sum->tokens));
  return true;
}

Result<bool> TrainingLoop::evaluate(Client& client, uint32_t index) {
  const Windows windows = evaluation_windows(job_, data_, index);
  if (windows.tokens.empty()) {
    client.evaluation_done(index, 0, 0);
    return true;
  }
  const auto sum = forward(client, windows, std::nullopt);
  if (!sum) {
    return sum.error().code == ErrorCode::kGone ? Result<bool>(false) : tl::unexpected(sum.error());
  }
  client.evaluation_done(index, sum->loss, sum->tokens);
  metrics_.evaluation_tokens.Increment(static_cast<double>(sum->tokens));
  return true;
}

}  // namespace ballast
