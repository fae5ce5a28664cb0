// Which policy goes first, and that the others wait.
#include "operator/policy/policies.h"

#include <gtest/gtest.h>

namespace ballast::policy {
namespace {

// Everything at once: a kill, a straggler for long, busy servers, a hot one, shares that are wrong.
JobView everything() {
  JobView view;
  view.microbatches = 8;
  view.workers = {{.name = "a", .node = "n1", .microbatches = 4, .speed = 10.0, .busy_seconds = {}},
                  {.name = "b", .node = "n2", .microbatches = 4, .speed = 2.0, .busy_seconds = {}}};
  view.wanted_workers = 2;
  view.servers = {{"ps-0", "", 1.0, false}, {"ps-1", "", 0.6, false}};
  view.wanted_servers = 2;
  for (uint32_t i = 0; i < 8; ++i) view.groups.push_back({100, i / 4, {}});
  view.out_of_memory = {{"a", 1, 100u << 20}};
  for (TimeMs at = 0; at <= 600'000; at += 5'000) view.throughput.push_back({at, 100});
  return view;
}

Settings all_act() {
  Settings settings;
  settings.memory.cap_bytes = 1u << 30;
  settings.straggler.mode = Mode::kAct;
  settings.server_count = {.mode = Mode::kAct, .least = 1, .most = 4};
  settings.worker_count = {.mode = Mode::kAct, .least = 1, .most = 4};
  return settings;
}

State long_ago() {
  State state;
  state.straggler.slow_since_ms = {{"b", 0}};
  state.server_count.high_since_ms = 0;
  state.worker_count.count = 2;
  return state;
}

TEST(Policies, GoOneAfterTheOther) {
  Settings settings = all_act();
  JobView view = everything();
  std::vector<Policy> order;
  for (int i = 0; i < 6; ++i) {
    const Evaluation evaluation = evaluate(settings, view, long_ago(), 600'000);
    ASSERT_EQ(evaluation.decisions.size(), 6u);
    int acting = 0;
    for (const Decision& decision : evaluation.decisions) {
      if (!decision.carried_out) continue;
      ++acting;
      order.push_back(decision.policy);
    }
    EXPECT_EQ(acting, 1);
    EXPECT_FALSE(evaluation.wish.empty());
    for (size_t later = order.size(); later < 6; ++later)
      EXPECT_EQ(evaluation.decisions[later].reason, "AnotherChangeFirst") << later;
    // Without the one that acted, the next one may.
    switch (order.back()) {
      case Policy::kMemory:
        view.out_of_memory.clear();
        break;
      case Policy::kStraggler:
        settings.straggler.mode = Mode::kOff;
        break;
      case Policy::kServerCount:
        settings.server_count.mode = Mode::kOff;
        break;
      case Policy::kWorkerCount:
        settings.worker_count.mode = Mode::kRecommend;  // recommends, and holds nobody up
        break;
      case Policy::kServerBalance:
        settings.server_balance.mode = Mode::kOff;
        break;
      case Policy::kWorkerBalance:
        break;
    }
  }
  EXPECT_EQ(order, (std::vector<Policy>{Policy::kMemory, Policy::kStraggler, Policy::kServerCount,
                                        Policy::kWorkerCount, Policy::kServerBalance,
                                        Policy::kWorkerBalance}));
}

TEST(Policies, OnlyMemoryActsOnAJobThatIsNotAtRest) {
  JobView view = everything();
  view.unsettled = "FailingOver";
  const Evaluation evaluation = evaluate(all_act(), view, long_ago(), 600'000);
  EXPECT_FALSE(evaluation.wish.memory.empty());
  for (size_t i = 1; i < 6; ++i) EXPECT_EQ(evaluation.decisions[i].reason, "FailingOver");
}

TEST(Policies, WhatWaitsIsNotTakenForDone) {
  const Evaluation evaluation = evaluate(all_act(), everything(), long_ago(), 600'000);
  EXPECT_FALSE(evaluation.wish.memory.empty());
  EXPECT_FALSE(evaluation.next.worker_balance.changed_ms);
  EXPECT_FALSE(evaluation.next.server_balance.changed_ms);
  EXPECT_FALSE(evaluation.next.straggler.replaced_ms);
}

}  // namespace
}  // namespace ballast::policy
