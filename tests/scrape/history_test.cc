// Samples over time: what counts as one, and what a rate may reach over.
#include "operator/scrape/history.h"

#include <string>

#include <gtest/gtest.h>

#include "operator/scrape/parse.h"

namespace ballast::scrape {
namespace {

constexpr size_t kDone = 0;  // counter
constexpr size_t kBusy = 1;  // counter, of part="compute"
constexpr size_t kBytes = 2;

History history() {
  return History({{.name = "done_total", .labels = {}},
                  {.name = "busy_total", .labels = {{"part", "compute"}}},
                  {.name = "bytes", .labels = {}, .counter = false}});
}

std::optional<std::string> observe(History& history, TimeMs at_ms, std::string_view text,
                                   TimeMs took_ms = 0) {
  const auto read = parse(text, Format::kPrometheus);
  EXPECT_TRUE(read) << text;
  return history.observe("w", at_ms, at_ms + took_ms, *read);
}

std::string done(double value) { return "done_total " + std::to_string(value) + "\n"; }

TEST(History, RatesAndRatiosOfCounters) {
  History of = history();
  for (int second = 0; second <= 20; ++second) {
    EXPECT_EQ(observe(of, second * 1000,
                      done(3.0 * second) + "busy_total{part=\"compute\"} " +
                          std::to_string(0.5 * second) + "\nbusy_total{part=\"pull\"} 99\n"),
              std::nullopt);
  }
  EXPECT_NEAR(*of.rate("w", kDone, 10'000, 20'000).value, 3, 1e-9);
  EXPECT_NEAR(*of.ratio("w", kDone, kBusy, 10'000, 20'000).value, 6, 1e-9);
  EXPECT_EQ(of.latest("w", kDone, 20'000).value, 60);
  EXPECT_STREQ(of.latest("w", kBytes, 20'000).missing, "NoSample");
  EXPECT_STREQ(of.rate("w", kDone, 60'000, 20'000).missing, "TooShort");
  EXPECT_STREQ(of.rate("x", kDone, 10'000, 20'000).missing, "NoSample");
  EXPECT_EQ(of.seen_for_ms("w"), 20'000);
}

TEST(History, GrowthComesInPiecesInWhichSomethingHappened) {
  History of = history();
  for (int second = 0; second <= 12; ++second) {
    const int pieces = second / 4;  // one ends every 4 s
    observe(
        of, second * 1000,
        done(2.0 * pieces) + "busy_total{part=\"compute\"} " + std::to_string(3.0 * pieces) + "\n");
  }
  const auto growth = of.growth("w", kDone, kBusy, 60'000, 12'000);
  ASSERT_EQ(growth.size(), 3u) << "however long the window";
  EXPECT_EQ(growth[1].from_ms, 4'000);
  EXPECT_EQ(growth[1].to_ms, 8'000);
  EXPECT_EQ(growth[1].of, 2);
  EXPECT_EQ(growth[1].per, 3);
  EXPECT_EQ(of.growth("w", kDone, kBusy, 5'000, 12'000).size(), 2u);
  EXPECT_TRUE(of.growth("w", kDone, kBytes, 60'000, 12'000).empty());
  EXPECT_TRUE(of.growth("w", kDone, kBusy, 60'000, 60'000).empty()) << "stale";
}

TEST(History, WhatStoodStillHasNoRatio) {
  History of = history();
  for (int second = 0; second <= 10; ++second)
    observe(of, second * 1000, done(second) + "busy_total{part=\"compute\"} 1\n");
  EXPECT_STREQ(of.ratio("w", kDone, kBusy, 10'000, 10'000).missing, "Idle");
}

TEST(History, OldSamplesSayNothingOfNow) {
  History of = history();
  for (int second = 0; second <= 10; ++second) observe(of, second * 1000, done(second));
  EXPECT_TRUE(of.rate("w", kDone, 10'000, 25'000).value);
  EXPECT_STREQ(of.rate("w", kDone, 10'000, 25'001).missing, "Stale");
  EXPECT_STREQ(of.latest("w", kDone, 25'001).missing, "Stale");
}

TEST(History, AResetBeginsAnew) {
  History of = history();
  for (int second = 0; second <= 10; ++second) observe(of, second * 1000, done(100 + second));
  observe(of, 11'000, done(2));
  EXPECT_STREQ(of.rate("w", kDone, 10'000, 11'000).missing, "TooShort");
  EXPECT_EQ(of.seen_for_ms("w"), 0);
  for (int second = 12; second <= 18; ++second) observe(of, second * 1000, done(second - 9));
  EXPECT_NEAR(*of.rate("w", kDone, 10'000, 18'000).value, 1, 1e-9);
}

TEST(History, AGapIsNotCrossed) {
  History of = history();
  for (int second = 0; second <= 10; ++second) observe(of, second * 1000, done(second));
  observe(of, 41'000, done(1000));
  EXPECT_STREQ(of.rate("w", kDone, 60'000, 41'000).missing, "TooShort");
}

TEST(History, ASeriesThatWasAwayIsNotConnected) {
  History of = history();
  for (int second = 0; second <= 5; ++second)
    observe(of, second * 1000, done(second) + "bytes " + std::to_string(second) + "\n");
  observe(of, 6000, "bytes 6\n");
  observe(of, 7000, done(70) + "bytes 7\n");
  EXPECT_STREQ(of.rate("w", kDone, 10'000, 7000).missing, "TooShort");
  EXPECT_EQ(of.latest("w", kBytes, 7000).value, 7);
}

TEST(History, GaugesMayFall) {
  History of = history();
  observe(of, 0, "bytes 5\n");
  observe(of, 1000, "bytes 3\n");
  EXPECT_EQ(of.latest("w", kBytes, 1000).value, 3);
  EXPECT_EQ(of.seen_for_ms("w"), 1000);
}

TEST(History, WhatIsNoSampleLeavesNoTrace) {
  History of = history();
  ASSERT_EQ(observe(of, 10'000, done(1) + "bytes 5 700\n"), std::nullopt);
  EXPECT_EQ(observe(of, 11'000, done(2), 2001), "late");
  EXPECT_EQ(observe(of, 10'000, done(2)), "overtaken by a later answer");
  EXPECT_EQ(observe(of, 11'000, done(-1)), "contradictory: done_total");
  EXPECT_EQ(observe(of, 11'000, "done_total NaN\n"), "contradictory: done_total");
  EXPECT_EQ(observe(of, 11'000, "done_total +Inf\n"), "contradictory: done_total");
  EXPECT_EQ(observe(of, 11'000, done(2) + done(3)), "contradictory: done_total");
  EXPECT_EQ(observe(of, 11'000, done(2) + "bytes 6 700\n"),
            "measured before the last answer: bytes");
  EXPECT_EQ(observe(of, 11'000, "other 1\n"), "none of the series");
  EXPECT_EQ(observe(of, 11'000, done(2), -1), "answered before it was asked");
  EXPECT_EQ(of.latest("w", kDone, 11'000).value, 1);
  of.forget("w");
  EXPECT_TRUE(of.targets().empty());
}

TEST(History, ForgetsWhatIsOld) {
  History of({{.name = "done_total", .labels = {}}}, {.keep_ms = 5'000});
  for (int second = 0; second <= 100; ++second) observe(of, second * 1000, done(second));
  EXPECT_EQ(of.seen_for_ms("w"), 5'000);
}

}  // namespace
}  // namespace ballast::scrape
