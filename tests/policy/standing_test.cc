// What lasts of decisions, as the status tells it.
#include "operator/policy/standing.h"

#include <gmock/gmock.h>

namespace ballast::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr TimeMs kPatience = 1'000;

Decision said(Policy policy, const std::string& reason, Action action = Action::kHold,
              const std::string& message = "m") {
  Decision decision;
  decision.policy = policy;
  decision.action = action;
  decision.reason = reason;
  decision.message = message;
  return decision;
}

class Told : public ::testing::Test {
 protected:
  // The same in every second from now on, for so long.
  std::optional<decide::PolicyStanding> after(const std::vector<Decision>& decisions,
                                              TimeMs duration_ms) {
    for (const TimeMs end = now_ + duration_ms; now_ < end; now_ += 100) {
      standing_.take(decisions, now_);
    }
    standing_.take(decisions, now_);
    return standing_.told();
  }

  Standing standing_{kPatience};
  TimeMs now_ = 5'000;
};

TEST_F(Told, NothingBeforeItHasLasted) {
  const std::vector blind = {said(Policy::kWorkerBalance, "PartialSamples")};
  EXPECT_FALSE(after(blind, kPatience - 100));
  const auto told = after(blind, 100);
  ASSERT_TRUE(told && told->held);
  EXPECT_EQ(told->held->reason, "PartialSamples");
  EXPECT_EQ(told->held->message, "workerBalance: m");
}

TEST_F(Told, WhatComesAndGoesIsTheSameAsBefore) {
  const std::vector free = {said(Policy::kWorkerBalance, "Balanced")};
  const std::vector blind = {said(Policy::kWorkerBalance, "StaleSamples")};
  after(free, kPatience);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(after(i % 2 == 0 ? blind : free, kPatience / 2), decide::PolicyStanding{});
  }
  ASSERT_TRUE(after(blind, kPatience)->held);
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(after(i % 2 == 0 ? free : blind, kPatience / 2)->held) << i;
  }
  EXPECT_EQ(after(free, kPatience), decide::PolicyStanding{});
}

TEST_F(Told, AJobThatIsNotAtRestSaysNothingOfWhatIsMeasured) {
  after({said(Policy::kWorkerBalance, "PartialSamples")}, kPatience);
  for (const char* reason : {"NotReady", "Degraded", "ChangeInFlight", "AnotherChangeFirst"}) {
    EXPECT_TRUE(after({said(Policy::kWorkerBalance, reason)}, 3 * kPatience)->held) << reason;
  }
}

TEST_F(Told, ASentenceStaysAsItWasFirstSaid) {
  const Policy policy = Policy::kWorkerBalance;
  after({said(policy, "PartialSamples", Action::kHold, "worker-0")}, kPatience);
  EXPECT_EQ(after({said(policy, "PartialSamples", Action::kHold, "worker-1")}, 3 * kPatience)
                ->held->message,
            "workerBalance: worker-0");
}

TEST_F(Told, ABlindPolicyGoesBeforeOneThatAnotherDecidesFor) {
  const auto told = after({said(Policy::kWorkerCount, "HorizontalAutoscaler"),
                           said(Policy::kWorkerBalance, "NoSamples")},
                          kPatience);
  ASSERT_TRUE(told && told->held);
  EXPECT_EQ(told->held->reason, "NoSamples");
  EXPECT_EQ(told->held->message, "workerBalance: m; workerCount: m");
}

TEST_F(Told, RecommendationsStandUntilThereIsNothingToRecommend) {
  const TimeMs since = now_;
  const std::vector wants = {said(Policy::kServerBalance, "LoadsDiffer", Action::kChange)};
  const auto told = after(wants, kPatience);
  ASSERT_TRUE(told);
  EXPECT_THAT(told->recommendations,
              ElementsAre(api::RecommendationStatus{"serverBalance", "LoadsDiffer", "m", since}));
  EXPECT_FALSE(told->held);
  EXPECT_THAT(after({said(Policy::kServerBalance, "Balanced")}, kPatience)->recommendations,
              IsEmpty());
}

TEST_F(Told, AChangeThatIsCarriedOutIsNoRecommendation) {
  Decision change = said(Policy::kWorkerBalance, "SpeedsDiffer", Action::kChange);
  change.carried_out = true;
  EXPECT_EQ(after({change}, kPatience), decide::PolicyStanding{});
}

}  // namespace
}  // namespace ballast::policy
