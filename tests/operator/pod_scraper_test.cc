#include "operator/cluster/pod_scraper.h"

#include <atomic>

#include <gtest/gtest.h>

#include "common/metrics/metrics_endpoint.h"
#include "common/metrics/process_metrics.h"
#include "tests/local/wait.h"

namespace ballast::cluster {
namespace {

using local::eventually;

std::unique_ptr<MetricsEndpoint> process(const std::string& name, uint64_t incarnation,
                                         const std::string& listen = "127.0.0.1:0") {
  auto endpoint = MetricsEndpoint::start({.listen = listen,
                                          .collectables = {process_metrics({}, name, incarnation)},
                                          .healthy = nullptr,
                                          .ready = nullptr});
  if (!endpoint) throw std::runtime_error(endpoint.error().message);
  return std::move(*endpoint);
}

PodScraperOptions quick() { return {.every_ms = 10, .first_retry_ms = 5, .longest_retry_ms = 20}; }

TEST(PodScraper, FindsTheLifeThatAnswersAndTheNextOne) {
  PodScraper scraper(quick());
  auto first = process("ps-0", 41);
  const std::string address = first->address();
  std::atomic<int> changes = 0;
  scraper.follow("uid", {address, "ps-0", [&] { ++changes; }});
  ASSERT_TRUE(eventually([&] { return scraper.latest("uid").has_value(); }));
  EXPECT_EQ(scraper.latest("uid")->incarnation, 41U);
  EXPECT_EQ(changes, 1);
  const int64_t before = scraper.latest("uid")->answered_ms;
  EXPECT_TRUE(eventually([&] { return scraper.latest("uid")->answered_ms > before; }));
  EXPECT_EQ(changes, 1) << "only another life is news";
  first.reset();
  const auto second = process("ps-0", 42, address);
  EXPECT_TRUE(eventually([&] { return scraper.latest("uid")->incarnation == 42; }));
  EXPECT_TRUE(eventually([&] { return changes == 2; }));
}

TEST(PodScraper, WhatWasTakenDoesNotStay) {
  PodScraper scraper({.every_ms = 600'000});
  const auto server = process("ps-0", 41);
  scraper.follow("uid", {server->address(), "ps-0", [] {}});
  ASSERT_TRUE(eventually([&] { return scraper.latest("uid").has_value(); }));
  const int64_t asked_ms = scraper.latest("uid")->asked_ms;
  scraper.taken("uid", asked_ms - 1);
  EXPECT_NE(scraper.latest("uid")->exposition, nullptr) << "it was another that was taken";
  scraper.taken("uid", asked_ms);
  scraper.taken("nobody", asked_ms);
  EXPECT_EQ(scraper.latest("uid")->exposition, nullptr);
  EXPECT_EQ(scraper.latest("uid")->incarnation, 41U);
}

TEST(PodScraper, AnotherProcessIsNotTheOneThatIsMeant) {
  PodScraper scraper(quick());
  const auto other = process("worker-3", 41);
  const auto meant = process("ps-1", 42);
  scraper.follow("a", {other->address(), "ps-0", nullptr});
  scraper.follow("b", {meant->address(), "ps-1", nullptr});
  // Both were asked, since "a" was first.
  ASSERT_TRUE(eventually([&] { return scraper.latest("b").has_value(); }));
  EXPECT_FALSE(scraper.latest("a"));
}

TEST(PodScraper, ThousandsThatAreSilentHoldUpNobody) {
  PodScraper scraper(quick());
  for (int i = 0; i < 2000; ++i) {
    scraper.follow("silent-" + std::to_string(i), {"127.0.0.1:1", "ps-0", nullptr});
  }
  const auto meant = process("ps-0", 7);
  scraper.follow("meant", {meant->address(), "ps-0", nullptr});
  EXPECT_TRUE(eventually([&] { return scraper.latest("meant").has_value(); }));
}

// One that is busy may have missed the first question: silence is known, and told, after some more.
TEST(PodScraper, ThatNobodyAnswersIsKnownAfterSomeTries) {
  PodScraper patient({.first_retry_ms = 600'000});
  patient.follow("silent", {"127.0.0.1:1", "ps-0", nullptr});
  PodScraper scraper(quick());
  std::atomic<int> told = 0;
  scraper.follow("silent", {"127.0.0.1:1", "ps-0", [&] { ++told; }});
  EXPECT_TRUE(eventually([&] { return scraper.known("silent") && told == 1; }));
  const auto meant = process("ps-0", 7);
  scraper.follow("meant", {meant->address(), "ps-0", nullptr});
  EXPECT_TRUE(eventually([&] { return scraper.known("meant"); }));
  EXPECT_TRUE(scraper.latest("meant"));
  EXPECT_FALSE(scraper.known("nobody"));
  EXPECT_FALSE(patient.known("silent")) << "it was asked once";
  EXPECT_EQ(told, 1);
}

// Each is asked less often, and counts as one that answers until it is asked again.
TEST(PodScraper, ManyAreSpared) {
  PodScraperOptions options = quick();
  options.most_per_second = 10;
  PodScraper scraper(options);
  const auto meant = process("ps-0", 7);
  constexpr int kPods = 20;
  for (int i = 0; i < kPods; ++i) {
    scraper.follow("uid-" + std::to_string(i), {meant->address(), "ps-0", nullptr});
  }
  ASSERT_TRUE(eventually([&] { return scraper.latest("uid-19").has_value(); }));
  const PodAnswer answer = *scraper.latest("uid-19");
  EXPECT_EQ(answer.spared_until_ms - answer.asked_ms, kPods * 1'000 / 10 - options.every_ms);
}

TEST(PodScraper, WhatIsForgottenIsNotKnown) {
  PodScraper scraper(quick());
  const auto meant = process("ps-0", 7);
  scraper.follow("uid", {meant->address(), "ps-0", nullptr});
  ASSERT_TRUE(eventually([&] { return scraper.latest("uid").has_value(); }));
  scraper.forget("uid");
  EXPECT_FALSE(scraper.latest("uid"));
}

TEST(PodScraper, AnAddressThatIsNoneIsNoCrash) {
  PodScraper scraper(quick());
  scraper.follow("a", {"nonsense", "ps-0", nullptr});
  scraper.follow("b", {"host.name:80", "ps-0", nullptr});
  const auto meant = process("ps-0", 7);
  scraper.follow("meant", {meant->address(), "ps-0", nullptr});
  EXPECT_TRUE(eventually([&] { return scraper.latest("meant").has_value(); }));
}

}  // namespace
}  // namespace ballast::cluster
