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

MemoryOutcome raise_memory(const MemoryOptions& options, const JobView& view) {
  MemoryOutcome outcome;
  Decision& decision = outcome.decision;
  decision.policy = Policy::kMemory;
  decision.reason = options.mode == Mode::kOff ? "Off" : "NoKill";
  decision.message =
      options.mode == Mode::kOff ? "the policy is off" : "nothing was ended for want of memory";
  if (options.mode == Mode::kOff) return outcome;
  std::string needy;  // those that nobody can help
  for (const OutOfMemory& kill : view.out_of_memory) {
    const uint64_t wish = raised(kill.limit_bytes, options.factor, options.cap_bytes);
    decision.inputs.push_back(
        {"limit_bytes." + kill.process, static_cast<double>(kill.limit_bytes)});
    if (wish <= kill.limit_bytes) {
      if (needy.empty()) decision.reason = kill.limit_bytes == 0 ? "NoLimit" : "AtCap";
      needy += (needy.empty() ? "" : ", ") + kill.process;
      continue;
    }
    if (outcome.wish.empty()) decision.message.clear();
    decision.message +=
        fmt::format("{}{} gets {} MiB instead of {} MiB", decision.message.empty() ? "" : ", ",
                    kill.process, wish / kMebibyte, kill.limit_bytes / kMebibyte);
    outcome.wish.push_back({kill.process, wish});
  }
  if (decision.inputs.empty()) return outcome;
  decision.inputs.push_back({"cap_bytes", static_cast<double>(options.cap_bytes)});
  if (outcome.wish.empty()) {
    decision.action = Action::kTell;
    decision.message = needy + " needs more memory than it may be given";
    return outcome;
  }
  decision.action = Action::kChange;
  decision.reason = "OutOfMemory";
  decision.carried_out = options.mode == Mode::kAct;
  return outcome;
}

}  // namespace ballast::policy
