// The number of workers and of servers, and memory: tables.
#include <gtest/gtest.h>

#include "operator/policy/memory.h"
#include "operator/policy/server_count.h"
#include "operator/policy/worker_count.h"

namespace ballast::policy {
namespace {

// A job whose throughput depends on its number of workers alone, asked every 5 s; a wish is carried
// out at once.
class Climber {
 public:
  Climber(WorkerCountOptions options, int64_t workers, std::vector<double> throughput)
      : options_(options), workers_(workers), throughput_(std::move(throughput)) {}

  std::string ask() {
    now_ += 5'000;
    view_.wanted_workers = workers_;
    view_.workers.assign(static_cast<size_t>(workers_), WorkerView{});
    view_.throughput.push_back({now_, throughput_.at(static_cast<size_t>(workers_))});
    auto outcome = count_workers(options_, view_, state_, now_);
    const bool acts = outcome.wish && outcome.decision.carried_out;
    state_ = acts ? outcome.next : outcome.seen;
    if (acts) workers_ = *outcome.wish;
    return outcome.decision.reason;
  }
  std::string ask_until_not(const std::string& reason) {
    std::string answer = ask();
    for (int i = 0; i < 1000 && answer == reason; ++i) answer = ask();
    return answer;
  }

  JobView view_;
  WorkerCountOptions options_;
  WorkerCountState state_;
  int64_t workers_;
  std::vector<double> throughput_;
  TimeMs now_ = 0;
};

TEST(WorkerCount, ClimbsWhileItPaysThenGoesBackOneAndRests) {
  Climber job({.mode = Mode::kAct, .least = 1, .most = 6}, 1, {0, 100, 190, 260, 262, 250, 240});
  EXPECT_EQ(job.ask_until_not("Measuring"), "TryMore");
  EXPECT_EQ(job.workers_, 3);
  EXPECT_EQ(job.ask_until_not("Measuring"), "MorePays");
  EXPECT_EQ(job.ask_until_not("Measuring"), "TryMore");
  EXPECT_EQ(job.workers_, 5);
  EXPECT_EQ(job.ask_until_not("Measuring"), "MoreDoesNotPay");
  EXPECT_EQ(job.workers_, 4);
  EXPECT_EQ(job.ask_until_not("Measuring"), "MoreDoesNotPay");
  EXPECT_EQ(job.workers_, 3);
  EXPECT_EQ(job.ask_until_not("Measuring"), "TryFewer") << "2 was jumped over";
  EXPECT_EQ(job.workers_, 2);
  EXPECT_EQ(job.ask_until_not("Measuring"), "FewerCostTooMuch");
  EXPECT_EQ(job.ask_until_not("Measuring"), "Settled");
  const TimeMs settled = job.now_;
  EXPECT_NE(job.ask_until_not("Settled"), "Settled");
  EXPECT_GE(job.now_ - settled, 1'600'000);
}

TEST(WorkerCount, FindsThatFewerSuffice) {
  Climber job({.mode = Mode::kAct, .least = 2, .most = 4}, 4, {0, 100, 150, 151, 150});
  EXPECT_EQ(job.ask_until_not("Measuring"), "TryFewer");
  EXPECT_EQ(job.ask_until_not("Measuring"), "FewerSuffice");
  EXPECT_EQ(job.ask_until_not("Measuring"), "TryFewer");
  EXPECT_EQ(job.ask_until_not("Measuring"), "FewerSuffice");
  EXPECT_EQ(job.workers_, 2);
  EXPECT_EQ(job.ask_until_not("Measuring"), "Settled");
}

TEST(WorkerCount, FindsTheNumberThatItJumpedOver) {
  Climber job({.mode = Mode::kAct, .least = 1, .most = 6}, 1, {0, 410, 530, 490, 430, 380, 330});
  EXPECT_EQ(job.ask_until_not("Measuring"), "TryMore");
  EXPECT_EQ(job.ask_until_not("Measuring"), "MorePays");
  EXPECT_EQ(job.workers_, 3);
  EXPECT_EQ(job.ask_until_not("Measuring"), "TryMore");
  EXPECT_EQ(job.ask_until_not("Measuring"), "MoreDoesNotPay");
  EXPECT_EQ(job.ask_until_not("Measuring"), "TryFewer");
  EXPECT_EQ(job.ask_until_not("Measuring"), "FewerSuffice");
  EXPECT_EQ(job.workers_, 2);
}

TEST(WorkerCount, OneOfTwoMayPayAndIsTriedAtOnce) {
  Climber job({.mode = Mode::kAct, .least = 1, .most = 6}, 1, {0, 200, 230, 190, 180, 170, 160});
  EXPECT_EQ(job.ask_until_not("Measuring"), "TryMore");
  EXPECT_EQ(job.workers_, 3);
  EXPECT_EQ(job.ask_until_not("Measuring"), "MoreDoesNotPay");
  EXPECT_EQ(job.workers_, 2);
  EXPECT_EQ(job.ask_until_not("Measuring"), "MorePays");
  EXPECT_EQ(job.ask_until_not("Measuring"), "Settled") << "three were tried, and one";
  EXPECT_EQ(job.workers_, 2);
}

TEST(WorkerCount, EveryReasonToHold) {
  const auto start = [](WorkerCountOptions options) {
    return Climber(options, 2, {0, 100, 200, 300, 400});
  };
  EXPECT_EQ(start({.mode = Mode::kOff}).ask(), "Off");
  const WorkerCountOptions act = {.mode = Mode::kAct, .least = 1, .most = 4};
  Climber other = start(act);
  other.view_.horizontal_autoscaler = true;
  EXPECT_EQ(other.ask(), "HorizontalAutoscaler");
  Climber unsettled = start(act);
  unsettled.view_.unsettled = "CheckpointUnderWay";
  EXPECT_EQ(unsettled.ask(), "CheckpointUnderWay");
  Climber above = start({.mode = Mode::kAct, .least = 1, .most = 1});
  above.ask();
  EXPECT_EQ(above.ask(), "AboveMaximum");
  Climber below = start({.mode = Mode::kAct, .least = 3, .most = 4});
  below.ask();
  EXPECT_EQ(below.ask(), "BelowMinimum");
  Climber idle = start(act);
  idle.throughput_[2] = 0;
  EXPECT_EQ(idle.ask_until_not("Measuring"), "NoThroughput");
}

TEST(WorkerCount, OldSamplesAreNoSamples) {
  JobView view;
  view.workers.resize(2);
  view.wanted_workers = 2;
  for (TimeMs at = 20'000; at <= 60'000; at += 5'000) view.throughput.push_back({at, 100});
  const WorkerCountOptions options = {.mode = Mode::kAct, .least = 1, .most = 4};
  WorkerCountState state;
  state.count = 2;
  EXPECT_EQ(count_workers(options, view, state, 75'000).decision.reason, "TryMore");
  EXPECT_EQ(count_workers(options, view, state, 75'001).decision.reason, "StaleSamples");
  view.wanted_workers = 3;
  EXPECT_EQ(count_workers(options, view, state, 75'000).decision.reason, "ChangeInFlight");
}

TEST(ServerCount, FollowsTheLoadWithinItsBounds) {
  const ServerCountOptions options = {.mode = Mode::kAct, .least = 1, .most = 3};
  JobView view;
  view.replication = 2;
  view.wanted_servers = 2;
  view.servers = {{"ps-0", "", 0.9, false}, {"ps-1", "", 0.8, false}};
  ServerCountState state;
  const auto at = [&](TimeMs now) {
    auto outcome = count_servers(options, view, state, now);
    state = outcome.wish ? outcome.next : outcome.seen;
    return outcome.decision.reason;
  };
  EXPECT_EQ(at(0), "WithinBounds");
  EXPECT_EQ(at(119'999), "WithinBounds");
  EXPECT_EQ(at(120'000), "Busy");
  view.wanted_servers = 3;
  EXPECT_EQ(at(125'000), "ChangeInFlight");
  view.servers.push_back({"ps-2", "", 0.9, false});
  EXPECT_EQ(at(130'000), "WithinBounds");
  EXPECT_EQ(at(250'000), "AtMaximum");
  for (ServerView& server : view.servers) server.busy = 0.1;
  EXPECT_EQ(at(300'000), "WithinBounds");
  EXPECT_EQ(at(900'000), "Idle");
  view.wanted_servers = 2;
  view.servers.pop_back();
  EXPECT_EQ(at(1'000'000), "WithinBounds");
  EXPECT_EQ(at(1'600'000), "AtMinimum");  // two replicas need two servers
  view.servers[0].busy.reset();
  EXPECT_EQ(at(1'700'000), "PartialSamples");
}

TEST(Memory, IsRaisedForEachKillUpToItsCap) {
  constexpr uint64_t kMiB = 1u << 20;
  const MemoryOptions options = {.mode = Mode::kAct, .factor = 1.5, .cap_bytes = 1000 * kMiB};
  JobView view;
  view.out_of_memory = {{"worker-0", 1, 512 * kMiB}};
  auto outcome = raise_memory(options, view);
  EXPECT_EQ(outcome.wish, (std::vector<MemoryWish>{{"worker-0", 768 * kMiB}}));
  view.out_of_memory = {{"worker-0", 2, 768 * kMiB}};
  outcome = raise_memory(options, view);
  EXPECT_EQ(outcome.wish.at(0).limit_bytes, 1000 * kMiB);
  view.out_of_memory = {
      {"worker-0", 3, 1000 * kMiB}, {"worker-1", 1, 100 * kMiB}, {"ps-0", 1, 200 * kMiB}};
  outcome = raise_memory(options, view);
  EXPECT_EQ(outcome.wish, (std::vector<MemoryWish>{{"worker-1", 150 * kMiB}, {"ps-0", 300 * kMiB}}))
      << "all that can be helped, at once";
  view.out_of_memory = {{"worker-0", 3, 1000 * kMiB}};
  outcome = raise_memory(options, view);
  EXPECT_EQ(outcome.decision.reason, "AtCap");
  EXPECT_EQ(outcome.decision.action, Action::kTell);
  view.out_of_memory.clear();
  EXPECT_EQ(raise_memory(options, view).decision.reason, "NoKill");
}

}  // namespace
}  // namespace ballast::policy
