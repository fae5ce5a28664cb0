#include "operator/core/lease_machine.h"

#include <algorithm>

namespace ballast::kube {
namespace {

// What client-go leaves behind, so that its electors read it rightly.
constexpr TimeMs kReleasedMs = 1'000;

class Lease {
 public:
  Lease(LeaseState& state, TimeMs now_ms) : state_(state), now_ms_(now_ms) {}

  std::vector<LeaseEffect> take() { return std::move(effects_); }

  void on(const LeaseTick&) {
    if (state_.leader && now_ms_ >= state_.good_until_ms) cease();
    // No answer: whatever comes of it later is not ours any more.
    if (state_.in_flight && now_ms_ >= state_.sent_ms + kRenewDeadlineMs) answered();
    if (!state_.in_flight && now_ms_ >= state_.next_try_ms && !state_.releasing) read();
  }

  void on(const LeaseRead& read) {
    if (!expected(read.request) || state_.writing) return;
    answered();
    if (!read.record) {
      state_.seen = false;
      if (state_.releasing) return effects_.push_back(LeaseReleased{});
      return write(1);
    }
    if (!state_.seen || !(state_.record == *read.record)) {
      state_.seen_since_ms = now_ms_;
      state_.record = *read.record;
    }
    state_.seen = true;
    state_.resource_version = read.resource_version;
    const bool ours = state_.record.holder == state_.identity;
    if (state_.releasing) return ours ? give_up() : effects_.push_back(LeaseReleased{});
    const bool over =
        state_.record.holder.empty() ||
        now_ms_ >= state_.seen_since_ms + std::max(state_.record.duration_ms, kLeaseMs);
    if (state_.leader && !ours) cease();
    if (ours || over) write(state_.record.transitions + (ours ? 0 : 1));
  }

  void on(const LeaseWritten& written) {
    if (!expected(written.request) || !state_.writing) return;
    const TimeMs sent_ms = state_.sent_ms;
    answered();
    state_.resource_version = written.resource_version;
    state_.seen = true;
    if (state_.releasing) return effects_.push_back(LeaseReleased{});
    state_.good_until_ms = sent_ms + kRenewDeadlineMs;
    if (now_ms_ >= state_.good_until_ms) return;
    if (!state_.leader) {
      state_.leader = true;
      effects_.push_back(BeginToLead{});
    }
  }

  void on(const LeaseFailed& failed) {
    if (!expected(failed.request)) return;
    answered();
    // What we hold to be its version is wrong: read before the next write.
    if (failed.conflict) return read();
    if (state_.releasing) effects_.push_back(LeaseReleased{});
  }

  void on(const LeaseRelease&) {
    state_.releasing = true;
    if (!state_.leader) return effects_.push_back(LeaseReleased{});
    cease();
    give_up();
  }

 private:
  bool expected(uint64_t request) const { return state_.in_flight && request == state_.request; }

  void answered() {
    state_.in_flight = false;
    state_.writing = false;
    state_.next_try_ms = state_.sent_ms + (state_.leader ? kLeaseRetryMs : kStandbyRetryMs);
  }

  void read() {
    state_.in_flight = true;
    state_.writing = false;
    state_.sent_ms = now_ms_;
    effects_.push_back(ReadLease{++state_.request});
  }

  void give_up() { send_write({"", kReleasedMs, "", state_.record.transitions}); }

  void write(int64_t transitions) { send_write({state_.identity, kLeaseMs, "", transitions}); }

  void send_write(LeaseRecord record) {
    state_.in_flight = true;
    state_.writing = true;
    state_.sent_ms = now_ms_;
    effects_.push_back(WriteLease{++state_.request, std::move(record),
                                  state_.seen ? state_.resource_version : std::string()});
  }

  void cease() {
    state_.leader = false;
    effects_.push_back(CeaseToLead{});
  }

  LeaseState& state_;
  TimeMs now_ms_;
  std::vector<LeaseEffect> effects_;
};

}  // namespace

std::vector<LeaseEffect> step(LeaseState& state, const LeaseEvent& event, TimeMs now_ms) {
  Lease lease(state, now_ms);
  std::visit([&](const auto& kind) { lease.on(kind); }, event);
  return lease.take();
}

bool leads(const LeaseState& state, TimeMs now_ms) {
  return state.leader && now_ms < state.good_until_ms;
}

TimeMs wake_at(const LeaseState& state) {
  const TimeMs next = state.in_flight ? state.sent_ms + kRenewDeadlineMs : state.next_try_ms;
  return state.leader ? std::min(next, state.good_until_ms) : next;
}

}  // namespace ballast::kube
