// The rows of the lease machine.
#include "operator/core/lease_machine.h"

#include <gmock/gmock.h>

namespace ballast::kube {
namespace {

using ::testing::ElementsAre;

std::string line(const LeaseEffect& effect) {
  struct Writer {
    std::string operator()(const ReadLease&) const { return "read"; }
    std::string operator()(const WriteLease& write) const {
      return "write \"" + write.record.holder + "\" over \"" + write.resource_version + "\"";
    }
    std::string operator()(const BeginToLead&) const { return "begin"; }
    std::string operator()(const CeaseToLead&) const { return "cease"; }
    std::string operator()(const LeaseReleased&) const { return "released"; }
  };
  return std::visit(Writer{}, effect);
}

class LeaseMachine : public ::testing::Test {
 protected:
  LeaseMachine() { state_.identity = "me"; }

  std::vector<std::string> on(const LeaseEvent& event) {
    std::vector<std::string> lines;
    for (const LeaseEffect& effect : step(state_, event, now_ms_)) lines.push_back(line(effect));
    return lines;
  }
  LeaseRead found(const std::string& holder, const std::string& renewed,
                  const std::string& version) const {
    return {state_.request, LeaseRecord{holder, kLeaseMs, renewed, 0}, version};
  }
  void lead() {
    on(LeaseTick{});
    on(LeaseRead{state_.request, std::nullopt, ""});
    on(LeaseWritten{state_.request, "1"});
  }

  LeaseState state_;
  TimeMs now_ms_ = 100'000;
};

TEST_F(LeaseMachine, MakesOneThatIsNotThere) {
  EXPECT_THAT(on(LeaseTick{}), ElementsAre("read"));
  EXPECT_THAT(on(LeaseRead{1, std::nullopt, ""}), ElementsAre("write \"me\" over \"\""));
  EXPECT_FALSE(leads(state_, now_ms_));
  EXPECT_THAT(on(LeaseWritten{2, "1"}), ElementsAre("begin"));
  EXPECT_TRUE(leads(state_, now_ms_));
}

TEST_F(LeaseMachine, WaitsForAnothersToRunOutByItsOwnClock) {
  on(LeaseTick{});
  EXPECT_THAT(on(found("other", "t1", "5")), ElementsAre());
  for (TimeMs waited = 0; waited < kLeaseMs; waited += kLeaseRetryMs) {
    now_ms_ += kLeaseRetryMs;
    EXPECT_THAT(on(LeaseTick{}), ElementsAre("read"));
    const auto then = on(found("other", "t1", "5"));
    if (waited + kLeaseRetryMs < kLeaseMs) {
      EXPECT_THAT(then, ElementsAre());
    } else {
      EXPECT_THAT(then, ElementsAre("write \"me\" over \"5\""));
    }
  }
}

TEST_F(LeaseMachine, ARenewalBeginsTheWaitAnew) {
  on(LeaseTick{});
  on(found("other", "t1", "5"));
  now_ms_ += kLeaseMs;
  on(LeaseTick{});
  EXPECT_THAT(on(found("other", "t2", "6")), ElementsAre());
}

TEST_F(LeaseMachine, TakesOneThatWasGivenUpAtOnce) {
  on(LeaseTick{});
  EXPECT_THAT(on(found("", "t1", "5")), ElementsAre("write \"me\" over \"5\""));
}

TEST_F(LeaseMachine, BelievesInItselfFromWhenItAsked) {
  on(LeaseTick{});
  on(LeaseRead{1, std::nullopt, ""});
  now_ms_ += kRenewDeadlineMs - 1;
  on(LeaseWritten{2, "1"});
  EXPECT_TRUE(leads(state_, now_ms_));
  now_ms_ += 1;
  EXPECT_FALSE(leads(state_, now_ms_));
  EXPECT_LE(wake_at(state_), now_ms_);
  EXPECT_THAT(on(LeaseTick{}), ElementsAre("cease", "read"));
}

TEST_F(LeaseMachine, AnAnswerThatComesTooLateMakesNoLeader) {
  on(LeaseTick{});
  on(LeaseRead{1, std::nullopt, ""});
  now_ms_ += kRenewDeadlineMs;
  EXPECT_THAT(on(LeaseWritten{2, "1"}), ElementsAre());
  EXPECT_FALSE(leads(state_, now_ms_));
}

TEST_F(LeaseMachine, CeasesWhenItSeesAnother) {
  lead();
  now_ms_ += kLeaseRetryMs;
  on(LeaseTick{});
  EXPECT_THAT(on(found("other", "t9", "9")), ElementsAre("cease"));
  EXPECT_FALSE(leads(state_, now_ms_));
}

TEST_F(LeaseMachine, ReadsAgainAfterAConflict) {
  on(LeaseTick{});
  on(LeaseRead{1, std::nullopt, ""});
  EXPECT_THAT(on(LeaseFailed{2, true}), ElementsAre("read"));
  EXPECT_THAT(on(found("other", "t1", "5")), ElementsAre());
}

TEST_F(LeaseMachine, KeepsItWhileItRenews) {
  lead();
  for (int i = 0; i < 20; ++i) {
    now_ms_ += kLeaseRetryMs;
    EXPECT_THAT(on(LeaseTick{}), ElementsAre("read"));
    EXPECT_THAT(on(found("me", "t", "1")), ElementsAre("write \"me\" over \"1\""));
    EXPECT_THAT(on(LeaseWritten{state_.request, "1"}), ElementsAre());
    EXPECT_TRUE(leads(state_, now_ms_));
  }
}

TEST_F(LeaseMachine, GivesItUpWhenAsked) {
  lead();
  EXPECT_THAT(on(LeaseRelease{}), ElementsAre("cease", "write \"\" over \"1\""));
  EXPECT_FALSE(leads(state_, now_ms_));
  EXPECT_THAT(on(LeaseWritten{state_.request, "2"}), ElementsAre("released"));
  now_ms_ += kLeaseMs;
  EXPECT_THAT(on(LeaseTick{}), ElementsAre());
}

TEST_F(LeaseMachine, GivesUpARenewalThatCrossedTheRelease) {
  lead();
  on(LeaseRelease{});
  EXPECT_THAT(on(LeaseFailed{state_.request, true}), ElementsAre("read"));
  EXPECT_THAT(on(found("me", "t2", "2")), ElementsAre("write \"\" over \"2\""));
  EXPECT_THAT(on(LeaseWritten{state_.request, "3"}), ElementsAre("released"));
}

TEST_F(LeaseMachine, HasNothingToGiveUpWhenItDoesNotLead) {
  EXPECT_THAT(on(LeaseRelease{}), ElementsAre("released"));
}

}  // namespace
}  // namespace ballast::kube
