#include "operator/policy/memory.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace ballast::policy {
namespace {

constexpr uint64_t kMebibyte = 1u << 20;

// In whole mebibytes, so that people can read it.
uint64_t raised(uint64_t bytes, double factor, uint64_t cap) {
  const double wanted = std::ceil(static_cast<double>(bytes) * factor / double{kMebibyte});
  const double most = std::floor(static_cast<double>(cap) / double{kMebibyte});
  return static_cast<uint64_t>(std::min(wanted, most)) * kMebibyte;
}

}  // namespace

MemoryOutcome raise_memory(const MemoryOptions& options, const JobView& view,
                           const MemoryState& state) {
  MemoryOutcome outcome;
  Decision& decision = outcome.decision;
  decision.policy = Policy::kMemory;
  outcome.next = state;
  decision.reason = options.mode == Mode::kOff ? "Off" : "NoKill";
  decision.message =
      options.mode == Mode::kOff ? "the policy is off" : "nothing was ended for want of memory";
  if (options.mode == Mode::kOff) return outcome;
  for (const OutOfMemory& kill : view.out_of_memory) {
    const auto known = state.answered.find(kill.process);
    if (known != state.answered.end() && known->second >= kill.instance) continue;
    const uint64_t wish = raised(kill.limit_bytes, options.factor, options.cap_bytes);
    decision.inputs = {{"limit_bytes", static_cast<double>(kill.limit_bytes)},
                       {"cap_bytes", static_cast<double>(options.cap_bytes)}};
    if (wish <= kill.limit_bytes) {
      decision.action = Action::kTell;
      decision.reason = kill.limit_bytes == 0 ? "NoLimit" : "AtCap";
      decision.message = kill.process + " needs more memory than it may be given";
      continue;  // another one may still be helped
    }
    decision.action = Action::kChange;
    decision.reason = "OutOfMemory";
    decision.message = fmt::format("{} gets {} MiB instead of {} MiB", kill.process,
                                   wish / kMebibyte, kill.limit_bytes / kMebibyte);
    decision.carried_out = options.mode == Mode::kAct;
    outcome.wish = MemoryWish{kill.process, wish};
    outcome.next.answered[kill.process] = kill.instance;
    return outcome;
  }
  return outcome;
}

}  // namespace ballast::policy
