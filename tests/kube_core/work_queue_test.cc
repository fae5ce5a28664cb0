#include "operator/core/work_queue.h"

#include <gmock/gmock.h>

namespace ballast::kube {
namespace {

TEST(WorkQueue, AKeyThatIsAddedManyTimesWaitsOnce) {
  WorkQueue queue;
  queue.add("a");
  queue.add("b");
  queue.add("a");
  EXPECT_EQ(queue.get(0), "a");
  EXPECT_EQ(queue.get(0), "b");
  EXPECT_EQ(queue.get(0), std::nullopt);
}

TEST(WorkQueue, OneThatIsAddedDuringTheWorkComesBackAfterIt) {
  WorkQueue queue;
  queue.add("a");
  EXPECT_EQ(queue.get(0), "a");
  queue.add("a");
  queue.add("a");
  EXPECT_EQ(queue.get(0), std::nullopt) << "two would work on it";
  queue.done("a");
  EXPECT_EQ(queue.get(0), "a");
  queue.done("a");
  EXPECT_EQ(queue.get(0), std::nullopt);
}

TEST(WorkQueue, TheEarliestOfSeveralTimesCounts) {
  WorkQueue queue;
  queue.add_at("a", 50);
  queue.add_at("a", 20);
  queue.add_at("a", 70);
  EXPECT_EQ(queue.next_due_ms(), 20);
  EXPECT_EQ(queue.get(19), std::nullopt);
  EXPECT_EQ(queue.get(20), "a");
  queue.done("a");
  EXPECT_EQ(queue.get(100), std::nullopt);
  EXPECT_EQ(queue.next_due_ms(), std::nullopt);
}

TEST(WorkQueue, WhatBecomesDueDuringTheWorkWaitsForItsEnd) {
  WorkQueue queue;
  queue.add("a");
  EXPECT_EQ(queue.get(0), "a");
  queue.add_at("a", 5);
  EXPECT_EQ(queue.get(10), std::nullopt);
  queue.done("a");
  EXPECT_EQ(queue.get(10), "a");
}

TEST(WorkQueue, EachFailureInARowDoublesTheWait) {
  WorkQueue queue;
  TimeMs now = 0;
  TimeMs expected = kFirstBackOffMs;
  for (int i = 0; i < 40; ++i) {
    queue.add_after_failure("a", now);
    EXPECT_EQ(*queue.next_due_ms() - now, expected);
    now = *queue.next_due_ms();
    EXPECT_EQ(queue.get(now), "a");
    queue.done("a");
    expected = std::min(2 * expected, kLongestBackOffMs);
  }
  EXPECT_EQ(queue.failures("a"), 40);
  queue.forget("a");
  queue.add_after_failure("a", now);
  EXPECT_EQ(*queue.next_due_ms() - now, kFirstBackOffMs);
}

TEST(WorkQueue, NewKeysHaveALineOfTheirOwnAndTheNewestIsSoonBegun) {
  WorkQueue queue(2);
  for (const char* key : {"a", "b", "c"}) queue.add(key);
  for (const char* key : {"n/1", "n/2", "n/3", "n/4"}) queue.add_new(key, 0);
  std::string order;
  const auto get = [&] { order += queue.get(0).value_or("-").back(); };
  for (int i = 0; i < 4; ++i) get();
  EXPECT_EQ(order, "41ab") << "newest and oldest of the new by turns; two of them at once";
  queue.done("n/1");
  for (int i = 0; i < 4; ++i) get();
  EXPECT_EQ(order, "41ab3c2-") << "the last one has no others to wait for";
  queue.done("a");
  queue.add("a");
  queue.add_new("n/5", 0);
  get();
  EXPECT_EQ(order, "41ab3c2-a") << "three new ones are worked on";
}

TEST(WorkQueue, WhoWorksAloneTakesBothKindsByTurns) {
  WorkQueue queue(1);
  for (const char* key : {"a", "b"}) queue.add(key);
  for (const char* key : {"n/1", "n/2", "n/3"}) queue.add_new(key, 0);
  std::string order;
  while (const auto key = queue.get(0)) {
    order += key->back();
    queue.done(*key);
  }
  EXPECT_EQ(order, "3a1b2");
}

// A crowd of one namespace holds up nobody else, whoever came first.
TEST(WorkQueue, NamespacesTakeTurns) {
  WorkQueue queue;
  for (const char* key : {"crowd/1", "crowd/2", "probe/1", "crowd/3", "crowd/4", "other/1"})
    queue.add_new(key, 0);
  std::vector<std::string> order;
  while (const auto key = queue.get(0)) order.push_back(*key);
  EXPECT_THAT(order, ::testing::ElementsAre("crowd/4", "probe/1", "other/1", "crowd/1", "crowd/3",
                                            "crowd/2"));
  EXPECT_EQ(queue.waiting(), 0U);
}

TEST(WorkQueue, AKeyStandsInOneLine) {
  WorkQueue queue;
  queue.add("a");
  queue.add_new("a", 0);
  EXPECT_EQ(queue.waiting(), 1U);
  EXPECT_EQ(queue.get(0), "a");
  queue.add_new("a", 0);
  EXPECT_EQ(queue.get(0), std::nullopt) << "somebody works on it";
  queue.done("a");
  EXPECT_EQ(queue.get(0), "a");
}

TEST(WorkQueue, TellsHowLongKeysWaitedAndAreWorkedOn) {
  WorkQueue queue;
  queue.add("a", 10);
  queue.add("a", 20);
  queue.add_at("b", 30);
  EXPECT_EQ(queue.get(40), "a");
  EXPECT_EQ(queue.waited_since_ms("a"), 10);
  EXPECT_EQ(queue.get(50), "b");
  EXPECT_EQ(queue.waited_since_ms("b"), 30) << "since it was due";
  EXPECT_EQ(queue.oldest_work_ms(), 40);
  queue.done("a");
  EXPECT_EQ(queue.oldest_work_ms(), 50);
  queue.done("b");
  EXPECT_EQ(queue.oldest_work_ms(), std::nullopt);
}

TEST(WorkQueue, AnEndThatHadNoBeginningChangesNothing) {
  WorkQueue queue;
  queue.add("a");
  queue.done("a");
  EXPECT_EQ(queue.get(0), "a");
  EXPECT_EQ(queue.get(0), std::nullopt);
}

}  // namespace
}  // namespace ballast::kube
