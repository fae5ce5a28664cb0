// Three electors, one Lease. Faults: requests that are lost before or after they had their effect,
// or take up to 20 s; processes that are paused for up to a minute, or die and are replaced; clocks
// that differ, and run up to 2 % too fast or too slow.
#include <algorithm>
#include <functional>
#include <map>

#include <gtest/gtest.h>

#include "operator/core/lease_machine.h"
#include "tests/kube_core/seeds.h"
#include "tests/sim/random.h"

namespace ballast::kube {
namespace {

using sim::Random;

constexpr TimeMs kFaultyMs = 300'000;
constexpr TimeMs kEndMs = 400'000;

struct Elector {
  LeaseState state;
  int64_t offset_ms = 0;
  int64_t speed_percent = 100;
  TimeMs paused_until_ms = 0;

  TimeMs clock(TimeMs now_ms) const { return offset_ms + now_ms * speed_percent / 100; }
  // When its clock shows this time.
  TimeMs when(TimeMs clock_ms) const { return (clock_ms - offset_ms) * 100 / speed_percent + 1; }
};

class World {
 public:
  explicit World(uint64_t seed, int64_t fastest_percent = 102)
      : random_(seed), fastest_percent_(fastest_percent) {
    for (int i = 0; i < 3; ++i) electors_.push_back(born());
  }

  std::string run() {
    while (now_ms_ < kEndMs && wrong_.empty()) {
      TimeMs next = agenda_.empty() ? kEndMs : agenda_.begin()->first.first;
      for (const Elector& elector : electors_) {
        const TimeMs due = std::max(elector.when(wake_at(elector.state)), elector.paused_until_ms);
        next = std::min(next, std::max(due, now_ms_ + 1));
      }
      now_ms_ = std::max(next, now_ms_);
      while (!agenda_.empty() && agenda_.begin()->first.first <= now_ms_) {
        const auto what = std::move(agenda_.begin()->second);
        agenda_.erase(agenda_.begin());
        what();
      }
      for (size_t i = 0; i < electors_.size(); ++i) tell(i, LeaseTick{});
      if (faults() && random_.below(200) == 0) trouble(random_.below(electors_.size()));
      check();
    }
    if (wrong_.empty() && leader_seen_ms_ < kEndMs - 2 * kLeaseRetryMs) {
      wrong_ = "nobody leads at the end";
    }
    return wrong_;
  }

  int changes() const { return changes_; }

 private:
  bool faults() const { return now_ms_ < kFaultyMs; }

  Elector born() {
    Elector elector;
    elector.state.identity = "elector-" + std::to_string(++born_);
    elector.offset_ms = static_cast<int64_t>(random_.below(1'000'000));
    elector.speed_percent = random_.between(98, fastest_percent_);
    elector.state.next_try_ms = elector.clock(now_ms_);
    return elector;
  }

  void trouble(size_t i) {
    switch (random_.below(3)) {
      case 0:
        electors_[i].paused_until_ms = now_ms_ + static_cast<TimeMs>(random_.below(60'000));
        return;
      case 1:
        electors_[i] = born();
        return;
      default:
        tell(i, LeaseRelease{});
        electors_[i] = born();
    }
  }

  void tell(size_t i, const LeaseEvent& event) {
    Elector& elector = electors_[i];
    if (now_ms_ < elector.paused_until_ms) return;
    for (const LeaseEffect& effect : step(elector.state, event, elector.clock(now_ms_))) {
      if (const auto* read = std::get_if<ReadLease>(&effect)) request(i, *read);
      if (const auto* write = std::get_if<WriteLease>(&effect)) request(i, *write);
    }
  }

  TimeMs travel() {
    return 1 + static_cast<TimeMs>(random_.below(faults() && random_.below(8) == 0 ? 20'000 : 30));
  }
  bool lost() { return faults() && random_.below(12) == 0; }

  // To the elector that asked, if that life still lives. A paused one finds it when it goes on.
  void answer(size_t i, const std::string& identity, LeaseEvent event) {
    if (lost()) return;
    at(now_ms_ + travel(), [this, i, identity, event] {
      if (electors_[i].state.identity != identity) return;
      if (now_ms_ < electors_[i].paused_until_ms) {
        at(electors_[i].paused_until_ms, [this, i, identity, event] {
          if (electors_[i].state.identity == identity) tell(i, event);
        });
        return;
      }
      tell(i, event);
    });
  }

  void request(size_t i, const ReadLease& read) {
    if (lost()) return;
    at(now_ms_ + travel(), [this, i, id = electors_[i].state.identity, n = read.request] {
      LeaseRead found{n, std::nullopt, ""};
      if (version_ > 0) found = {n, lease_, std::to_string(version_)};
      answer(i, id, found);
    });
  }

  void request(size_t i, const WriteLease& write) {
    if (lost()) return;
    at(now_ms_ + travel(), [this, i, id = electors_[i].state.identity, write] {
      const std::string held = version_ == 0 ? "" : std::to_string(version_);
      if (write.resource_version != held) return answer(i, id, LeaseFailed{write.request, true});
      if (lease_.holder != write.record.holder) ++changes_;
      lease_ = write.record;
      lease_.renewed = std::to_string(++version_);
      answer(i, id, LeaseWritten{write.request, std::to_string(version_)});
    });
  }

  void at(TimeMs when, std::function<void()> what) {
    agenda_.emplace(std::pair{when, ++order_}, std::move(what));
  }

  void check() {
    int leaders = 0;
    for (const Elector& elector : electors_) {
      if (now_ms_ < elector.paused_until_ms) continue;  // it asks again before it acts
      leaders += leads(elector.state, elector.clock(now_ms_)) ? 1 : 0;
    }
    if (leaders > 1) wrong_ = std::to_string(leaders) + " lead at " + std::to_string(now_ms_);
    if (leaders == 1) leader_seen_ms_ = now_ms_;
  }

  Random random_;
  int64_t fastest_percent_;
  TimeMs now_ms_ = 0;
  uint64_t order_ = 0;
  std::map<std::pair<TimeMs, uint64_t>, std::function<void()>> agenda_;
  std::vector<Elector> electors_;
  int born_ = 0;
  LeaseRecord lease_;
  uint64_t version_ = 0;
  TimeMs leader_seen_ms_ = -1;
  int changes_ = 0;
  std::string wrong_;
};

TEST(LeaseSim, AtMostOneLeadsAndInTheEndOneDoes) {
  int changes = 0;
  const uint64_t begin = first_seed();
  const uint64_t count = seeds(1'000);
  for (uint64_t seed = begin; seed < begin + count; ++seed) {
    World world(seed);
    ASSERT_EQ(world.run(), "") << replay("test_lease_sim", seed);
    changes += world.changes();
  }
  if (count >= 100) {
    EXPECT_GT(changes, static_cast<int>(count)) << "leadership never moved";
  }
}

TEST(LeaseSim, SeesClocksThatDifferMoreThanIsPromised) {
  int seen = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) seen += World(seed, 400).run().empty() ? 0 : 1;
  EXPECT_GT(seen, 0) << "two leaders at once were not noticed";
}

}  // namespace
}  // namespace ballast::kube
