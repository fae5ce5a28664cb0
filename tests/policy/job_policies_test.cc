// The way from what processes expose and what is observed to the wish that decide() takes.
#include "operator/policy/job_policies.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "operator/policy/decision_json.h"
#include "operator/scrape/parse.h"

namespace ballast::policy {
namespace {

using Shares = std::map<std::string, int64_t>;

// Two workers and two servers at rest, asked every second.
class Job {
 public:
  Job() {
    observed_.now_ms = 1'000'000;
    observed_.job.spec.training.microbatches = 8;
    observed_.job.spec.servers.replicas = 2;
    observed_.job.spec.servers.replication = 2;
    observed_.job.spec.workers.replicas = 2;
    auto& status = observed_.status;
    status.planned_workers = 2;
    status.term = 1;
    status.plan_number = 3;
    status.conditions = {{api::ConditionType::kRunning, true, "AllReady", "", 0}};
    observed_.report = decide::CoordinatorReport{};
    observed_.report->term = 1;
    observed_.report->degraded = false;
    observed_.report->plan_number = 3;
    for (const decide::Role role : {decide::Role::kServer, decide::Role::kWorker}) {
      for (int64_t index = 0; index < 2; ++index) {
        decide::Process process;
        process.role = role;
        process.index = index;
        process.instance = 1;
        process.state = decide::ProcessState::kReady;
        observed_.processes.push_back(process);
      }
    }
  }

  void answer(const std::string& process, uint64_t instance, const std::string& text) {
    auto read = scrape::parse(text, scrape::Format::kPrometheus);
    ASSERT_TRUE(read);
    policies_.take({process, instance, observed_.now_ms - 10, observed_.now_ms,
                    std::make_shared<const scrape::Exposition>(std::move(*read))});
  }

  // A second in which workers computed at these speeds and servers were busy that much.
  std::optional<Outcome> second() {
    observed_.now_ms += 1'000;
    for (size_t i = 0; i < 2; ++i) {
      microbatches_[i] += 10;
      compute_[i] += 10 / speeds_[i];
      busy_[i] += busy_each_second_[i];
      if (!silent_) {
        answer(fmt::format("worker-{}", i), instance_,
               fmt::format("ballast_worker_microbatches_total {}\n"
                           "ballast_worker_time_seconds_total{{part=\"compute\"}} {}\n"
                           "ballast_worker_assigned_microbatches {}\n",
                           microbatches_[i], compute_[i], assigned_[i]));
      }
      answer(fmt::format("ps-{}", i), 1,
             fmt::format("ballast_busy_seconds_total {}\nballast_tokens_total 0\n"
                         "ballast_primary_segments {}\n",
                         busy_[i], primaries_[i]));
    }
    return policies_.turn(observed_);
  }

  // All that is told in so many seconds; the last wish.
  std::vector<Decision> seconds(int count) {
    std::vector<Decision> news;
    for (int i = 0; i < count; ++i) {
      auto outcome = second();
      if (!outcome) continue;
      news.insert(news.end(), outcome->news.begin(), outcome->news.end());
      if (outcome->wish != decide::PolicyWish{}) wish_ = outcome->wish;
    }
    return news;
  }

  decide::Observed observed_;
  JobPolicies policies_{{.every_ms = 1'000}};
  decide::PolicyWish wish_;
  std::vector<double> speeds_ = {30, 10};
  std::vector<int64_t> assigned_ = {4, 4};
  std::vector<int64_t> primaries_ = {10, 10};
  std::vector<double> busy_each_second_ = {0.1, 0.1};
  uint64_t instance_ = 1;
  bool silent_ = false;

 private:
  std::vector<double> microbatches_ = {0, 0};
  std::vector<double> compute_ = {0, 0};
  std::vector<double> busy_ = {0, 0};
};

const Decision* find(const std::vector<Decision>& decisions, Policy policy,
                     const std::string& reason) {
  for (const Decision& decision : decisions) {
    if (decision.policy == policy && decision.reason == reason) return &decision;
  }
  return nullptr;
}

TEST(JobPolicies, WishesMicrobatchesInProportionToMeasuredSpeed) {
  Job job;
  const auto news = job.seconds(12);
  EXPECT_EQ(job.wish_.worker_shares, (Shares{{"worker-0", 6}, {"worker-1", 2}}));
  const Decision* change = find(news, Policy::kWorkerBalance, "SpeedsDiffer");
  ASSERT_NE(change, nullptr);
  EXPECT_TRUE(change->carried_out);
  const auto json = to_json(*change);
  EXPECT_NEAR(json["inputs"]["speed.worker-0"].get<double>(), 30, 1e-6);
  EXPECT_EQ(json["policy"], "workerBalance");
}

TEST(JobPolicies, FollowsTheSpec) {
  Job job;
  job.observed_.job.spec.policy.worker_balance.mode = "recommend";
  const auto news = job.seconds(12);
  EXPECT_EQ(job.wish_, decide::PolicyWish{});
  const Decision* change = find(news, Policy::kWorkerBalance, "SpeedsDiffer");
  ASSERT_NE(change, nullptr);
  EXPECT_FALSE(change->carried_out);
  Job weighted;
  weighted.observed_.job.spec.policy.worker_balance.method = "weighted";
  weighted.observed_.job.spec.policy.worker_balance.weights = {{"worker-1", 7}};
  weighted.seconds(2);
  EXPECT_EQ(weighted.wish_.worker_shares, (Shares{{"worker-0", 1}, {"worker-1", 7}}));
}

TEST(JobPolicies, WishesPrimariesAwayFromABusyServer) {
  Job job;
  job.speeds_ = {10, 10};
  job.busy_each_second_ = {0.9, 0.3};
  job.seconds(70);
  EXPECT_EQ(job.wish_.server_shares, (Shares{{"ps-0", 5}, {"ps-1", 15}}));
}

// What was measured before a move is no measurement of what is there after it.
TEST(JobPolicies, AThrottledServerIsRelievedAndThenLeftAlone) {
  struct Row {
    double cost;  // of a segment that the slow one is primary of, in each second
    std::vector<int64_t> primaries;
    int changes;
  };
  // The second one has no time at all left at first: how slow it is shows after the first move, and
  // that one segment is too much after the second.
  for (const Row& row : {Row{0.09, {2, 18}, 1}, Row{0.3, {0, 20}, 3}, Row{2, {0, 20}, 3}}) {
    Job job;
    job.speeds_ = {10, 10};
    int changes = 0;
    int last = 0;
    for (int second = 0; second < 900; ++second) {
      const double costs[] = {row.cost, 0.01};
      for (size_t i = 0; i < 2; ++i) {
        job.busy_each_second_[i] = std::min(1.0, costs[i] * static_cast<double>(job.primaries_[i]));
      }
      job.wish_ = {};
      job.seconds(1);
      if (!job.wish_.server_shares) continue;
      job.primaries_ = {job.wish_.server_shares->at("ps-0"), job.wish_.server_shares->at("ps-1")};
      ++changes;
      last = second;
    }
    EXPECT_EQ(job.primaries_, row.primaries) << row.cost;
    EXPECT_EQ(changes, row.changes) << row.cost;
    EXPECT_LT(last, 260) << row.cost;
  }
}

TEST(JobPolicies, HoldsWhileTheJobIsNotAtRestAndSaysWhy) {
  struct Row {
    const char* reason;
    std::function<void(decide::Observed&)> change;
  };
  const Row rows[] = {
      {"Suspending", [](auto& observed) { observed.status.planned_suspend = true; }},
      {"NotReady", [](auto& observed) { observed.status.conditions.clear(); }},
      {"NotTraining", [](auto& observed) { observed.report->degraded.reset(); }},
      {"NotTraining", [](auto& observed) { observed.report->term = 0; }},
      {"ChangeInFlight", [](auto& observed) { observed.status.plan_number = 4; }},
      {"Degraded",
       [](auto& observed) {
         observed.status.conditions.push_back({api::ConditionType::kDegraded, true, "", "", 0});
       }},
  };
  for (const Row& row : rows) {
    Job job;
    row.change(job.observed_);
    const auto news = job.seconds(12);
    EXPECT_EQ(job.wish_, decide::PolicyWish{}) << row.reason;
    EXPECT_NE(find(news, Policy::kWorkerBalance, row.reason), nullptr) << row.reason;
  }
  Job ended;
  ended.observed_.status.conditions = {{api::ConditionType::kSucceeded, true, "", "", 0}};
  EXPECT_FALSE(ended.second());
}

TEST(JobPolicies, HoldsOnSilenceAndTellsOnceWhoIsMissing) {
  Job job;
  job.observed_.now_ms += 120'000;  // nobody is young
  job.speeds_ = {10, 10};
  job.seconds(12);
  job.silent_ = true;
  const auto news = job.seconds(60);
  int told = 0;
  for (const Decision& decision : news) {
    if (decision.reason != "PartialSamples" || decision.policy != Policy::kWorkerBalance) continue;
    ++told;
    EXPECT_NE(decision.message.find("worker-0"), std::string::npos);
  }
  EXPECT_EQ(told, 1);
}

TEST(JobPolicies, WishesAnotherLifeForAStragglerAwayFromItsNode) {
  Job job;
  auto& straggler = job.observed_.job.spec.policy.straggler;
  straggler.mode = "act";
  straggler.replace_after_seconds = 20;
  job.observed_.job.spec.policy.worker_balance.mode = "off";
  for (decide::Process& process : job.observed_.processes) process.node = "node-a";
  job.seconds(15);
  EXPECT_EQ(job.wish_, decide::PolicyWish{});
  job.seconds(20);
  ASSERT_EQ(job.wish_.replacements.size(), 1u);
  EXPECT_EQ(job.wish_.replacements.at("worker-1"), (api::ReplacementStatus{1, "node-a"}));
}

// A worker is ended for want of memory between two turns.
void is_killed(decide::Observed& observed, uint64_t instance) {
  decide::Process& worker = observed.processes[2];
  ASSERT_EQ(worker.role, decide::Role::kWorker);
  worker.instance = instance;
  worker.state = decide::ProcessState::kExited;
  worker.trouble = {"OOMKilled", ""};
}

TEST(JobPolicies, MemoryIsRaisedAtOnceAndOncePerLife) {
  Job job;
  auto& spec = job.observed_.job.spec;
  spec.policy.memory.cap = "1Gi";
  spec.workers.pod_template = nlohmann::json::parse(R"({"spec":{"containers":[
      {"name":"side"},{"name":"main","resources":{"limits":{"memory":"512Mi"}}}]}})");
  job.seconds(12);
  is_killed(job.observed_, 1);
  const auto outcome = job.policies_.turn(job.observed_);
  ASSERT_TRUE(outcome) << "its next life is started soon";
  ASSERT_EQ(outcome->wish.memory.size(), 1u);
  EXPECT_EQ(outcome->wish.memory.at("worker-0"), (api::MemoryStatus{1, 768u << 20}));
  EXPECT_FALSE(job.policies_.turn(job.observed_)) << "once";
  // Written, and seen until the next life is there; then that one needs more, too.
  job.observed_.status.memory = outcome->wish.memory;
  job.wish_ = {};
  job.seconds(3);
  EXPECT_TRUE(job.wish_.memory.empty());
  is_killed(job.observed_, 2);
  const auto again = job.policies_.turn(job.observed_);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->wish.memory.at("worker-0"), (api::MemoryStatus{2, 1024u << 20})) << "the cap";
  job.observed_.status.memory = again->wish.memory;
  is_killed(job.observed_, 3);
  const auto last = job.policies_.turn(job.observed_);
  ASSERT_TRUE(last);
  EXPECT_NE(find(last->news, Policy::kMemory, "AtCap"), nullptr);
  EXPECT_TRUE(last->wish.memory.empty());
}

TEST(JobPolicies, WithoutACapNothingIsRaised) {
  Job job;
  job.observed_.job.spec.workers.pod_template = nlohmann::json::parse(
      R"({"spec":{"containers":[{"name":"main","resources":{"limits":{"memory":"512Mi"}}}]}})");
  is_killed(job.observed_, 1);
  const auto news = job.seconds(3);
  EXPECT_TRUE(job.wish_.memory.empty());
  EXPECT_NE(find(news, Policy::kMemory, "AtCap"), nullptr);
}

TEST(JobPolicies, AWishThatIsNotTakenYetIsKeptForAWhileAndThenGivenUp) {
  Job job;
  job.seconds(12);
  ASSERT_TRUE(job.wish_.worker_shares);
  // The status could not be written: nobody has cleared the wish.
  job.observed_.wish = job.wish_;
  const auto asked = job.second();
  for (int second = 0; second < 3; ++second) EXPECT_FALSE(job.second()) << second;
  ASSERT_FALSE(asked);
  std::optional<Outcome> outcome;
  for (int second = 0; second < 10 && !outcome; ++second) outcome = job.second();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->wish, decide::PolicyWish{}) << "it was made of what was then";
}

TEST(JobPolicies, SilenceThatLastsStandsInTheStatus) {
  Job job;
  job.observed_.now_ms += 120'000;
  job.speeds_ = {10, 10};
  job.seconds(12);
  job.silent_ = true;
  std::optional<decide::PolicyStanding> standing;
  for (int second = 0; second < 90; ++second) {
    if (auto outcome = job.second()) standing = outcome->standing;
  }
  ASSERT_TRUE(standing && standing->held);
  EXPECT_EQ(standing->held->reason, "PartialSamples");
  EXPECT_NE(standing->held->message.find("worker-0"), std::string::npos);
}

TEST(JobPolicies, AnAutoscalerOfOthersIsToldAndLeftAlone) {
  Job job;
  job.observed_.job.spec.policy.workers.mode = "act";
  job.observed_.job.spec.workers.max_replicas = 8;
  job.observed_.horizontal_autoscaler = true;
  std::optional<decide::PolicyStanding> standing;
  for (int second = 0; second < 60; ++second) {
    const auto outcome = job.second();
    ASSERT_TRUE(outcome);
    EXPECT_FALSE(outcome->wish.workers);
    standing = outcome->standing;
  }
  ASSERT_TRUE(standing && standing->held);
  EXPECT_EQ(standing->held->reason, "HorizontalAutoscaler");
}

TEST(JobPolicies, AnotherLifeIsMeasuredAnew) {
  Job job;
  job.observed_.now_ms += 120'000;
  job.seconds(12);
  job.wish_ = {};
  job.instance_ = 2;
  for (decide::Process& process : job.observed_.processes) {
    if (process.role != decide::Role::kWorker) continue;
    process.instance = 2;
    process.started_ms = job.observed_.now_ms;
  }
  job.assigned_ = {6, 2};
  job.speeds_ = {10, 30};
  job.seconds(5);
  EXPECT_EQ(job.wish_, decide::PolicyWish{}) << "too young to tell";
  job.seconds(30);
  EXPECT_EQ(job.wish_.worker_shares, (Shares{{"worker-0", 2}, {"worker-1", 6}}));
}

}  // namespace
}  // namespace ballast::policy
