// A whole toy job over real sockets, servers and workers as threads: the parameters must be those
// of a plain loop, to the last bit, however many of each there are.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/client/toy_job.h"
#include "tests/server/test_operator.h"
#include "tests/server/test_server.h"

namespace ballast {
namespace {

constexpr std::chrono::seconds kLimit{60};

ClientOptions worker_options(const std::string& name, const ToyJob& job,
                             const std::vector<std::string>& servers) {
  ClientOptions options;
  options.name = name;
  options.job_uid = "job-1";
  options.servers = servers;
  options.build = "test";
  options.microbatches = job.training.microbatches;
  options.segment_elements = job.training.segment_elements;
  return options;
}

struct Counts {
  int servers = 1;
  int workers = 1;
  Precision precision = Precision::kFp32;
};

class EndToEnd : public testing::TestWithParam<Counts> {};

TEST_P(EndToEnd, EqualsThePlainLoop) {
  const ToyJob job = make_toy_job(100, 512, 8, 12);
  const TestFolder folder;
  std::vector<std::unique_ptr<TestServer>> servers;
  std::vector<Member> members;
  std::vector<std::string> addresses;
  for (int i = 0; i < GetParam().servers; ++i) {
    const std::string name = "ps-" + std::to_string(i);
    servers.push_back(std::make_unique<TestServer>(name, "job-1", folder.socket(name + ".sock")));
    members.push_back(servers.back()->member());
    addresses.push_back(servers.back()->address());
  }
  TestOperator controller(addresses[0], "job-1");
  ASSERT_TRUE(controller.peer()) << controller.status().error_message();
  controller.appoint(1, members, job.training);

  std::vector<Result<ToyOutcome>> outcomes(static_cast<size_t>(GetParam().workers));
  {
    std::vector<std::jthread> workers;
    for (size_t i = 0; i < outcomes.size(); ++i) {
      workers.emplace_back([&, i] {
        ClientOptions options = worker_options("worker-" + std::to_string(i), job, addresses);
        options.protocol.precision = GetParam().precision;
        outcomes[i] = run_toy_worker(job, options);
      });
    }
  }
  const auto end = controller.wait_end(kLimit);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->phase, JobPhase::kDone) << end->failure;
  const ToyResult expected = run_plain_loop(job, GetParam().precision);
  ASSERT_TRUE(end->last);
  EXPECT_EQ(end->last->training, expected.last);
  const std::vector<float> pulled = toy_pulled(expected.parameters, GetParam().precision);
  int evaluated = 0;
  for (const auto& outcome : outcomes) {
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_FALSE(outcome->end.failed) << outcome->end.reason;
    if (outcome->parameters.empty()) continue;
    ++evaluated;
    EXPECT_EQ(outcome->parameters, pulled);
  }
  EXPECT_EQ(evaluated, 1);
}

INSTANTIATE_TEST_SUITE_P(Counts, EndToEnd,
                         testing::Values(Counts{1, 1}, Counts{2, 2}, Counts{3, 5},
                                         Counts{1, 1, Precision::kBf16},
                                         Counts{2, 3, Precision::kBf16}),
                         [](const auto& counts) {
                           return std::to_string(counts.param.servers) + "servers" +
                                  std::to_string(counts.param.workers) + "workers" +
                                  std::string(to_string(counts.param.precision));
                         });

struct OneServer {
  explicit OneServer(const ToyJob& job)
      : server("ps-0", "job-1", folder.socket("ps-0.sock")), controller(server.address(), "job-1") {
    controller.appoint(1, {server.member()}, job.training);
  }
  TestFolder folder;
  TestServer server;
  TestOperator controller;
};

TEST(Precision, Bfloat16HalvesWhatIsPulledAndNothingElse) {
  const ToyJob job = make_toy_job(100, 512, 8, 12);
  const auto statistics = [&](Precision precision) {
    OneServer job_of_one(job);
    ClientOptions options = worker_options("worker-0", job, {job_of_one.server.address()});
    options.protocol.precision = precision;
    options.protocol.resend_after_ms = 30'000;  // nothing is lost here, and nothing comes twice
    const auto outcome = run_toy_worker(job, options);
    EXPECT_TRUE(outcome) << outcome.error().message;
    return outcome ? outcome->statistics : ClientStatistics{};
  };
  const ClientStatistics whole = statistics(Precision::kFp32);
  const ClientStatistics half = statistics(Precision::kBf16);
  const uint64_t versions = job.training.steps + 1;  // the last one is evaluated
  EXPECT_EQ(whole.bytes_pulled, versions * job.elements() * 4);
  EXPECT_EQ(half.bytes_pulled, versions * job.elements() * 2);
  EXPECT_EQ(half.bytes_pushed, whole.bytes_pushed);
}

// They would compute on other parameters than the job's first worker.
TEST(Precision, AWorkerOfAnotherOneIsRefused) {
  const ToyJob job = make_toy_job(100, 512, 8, 12);
  OneServer job_of_one(job);
  const auto join = [&](const std::string& name, Precision precision) {
    ClientOptions options = worker_options(name, job, {job_of_one.server.address()});
    options.protocol.precision = precision;
    return Client::join(options, toy_identity(job), [&](uint64_t begin, std::span<float> values) {
      toy_initial(job, begin, values);
    });
  };
  const auto first = join("worker-0", Precision::kBf16);
  ASSERT_TRUE(first) << first.error().message;
  const auto other = join("worker-1", Precision::kFp32);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kDenied);
  EXPECT_NE(other.error().message.find("parameters:bf16"), std::string::npos)
      << other.error().message;
  EXPECT_TRUE(join("worker-2", Precision::kBf16));
}

// How far a worker is. Relaxed: a test that orders the threads hides from TSan what it looks for.
class Progress : public ClientObserver {
 public:
  void pulled(double, uint64_t) override { pulled_.fetch_add(1, std::memory_order_relaxed); }
  void begin() { begun_.fetch_add(1, std::memory_order_relaxed); }
  bool wait_begun() const { return wait(begun_, 1); }
  bool wait_pulled(uint64_t count) const { return wait(pulled_, count); }

 private:
  static bool wait(const std::atomic<uint64_t>& count, uint64_t least) {
    const auto give_up = std::chrono::steady_clock::now() + kLimit;
    while (count.load(std::memory_order_relaxed) < least) {
      if (std::chrono::steady_clock::now() > give_up) return false;
      std::this_thread::yield();
    }
    return true;
  }

  std::atomic<uint64_t> begun_ = 0;
  std::atomic<uint64_t> pulled_ = 0;
};

// The first worker is asked for all segments, the second one for half of them when it comes. What
// the slow first one still makes of those must not meet what it has pulled: TSan sees it if it
// does.
TEST(Client, InitialValuesThatAreLateTouchNoParameters) {
  const ToyJob job = make_toy_job(100, 512, 8, 12);
  const Segments segments{job.elements(), job.training.segment_elements};
  ASSERT_GE(segments.count(), 2u);
  const TestFolder folder;
  TestServer server("ps-0", "job-1", folder.socket("ps-0.sock"));
  TestOperator controller(server.address(), "job-1");
  ASSERT_TRUE(controller.peer()) << controller.status().error_message();
  controller.appoint(1, {server.member()}, job.training);

  Progress progress;
  bool was_late = false;
  const auto slow = [&](uint64_t begin, std::span<float> values) {
    progress.begin();
    const bool last = begin + values.size() == job.elements();
    if (last) was_late = progress.wait_pulled(segments.count());
    toy_initial(job, begin, values);
  };
  Result<ToyOutcome> first;
  Result<ToyOutcome> second;
  {
    ClientOptions options = worker_options("worker-0", job, {server.address()});
    options.observer = &progress;
    const std::jthread first_worker([&] { first = run_toy_worker(job, options, slow); });
    ASSERT_TRUE(progress.wait_begun());
    const std::jthread second_worker(
        [&] { second = run_toy_worker(job, worker_options("worker-1", job, {server.address()})); });
  }
  EXPECT_TRUE(was_late);
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_TRUE(second) << second.error().message;
  const auto end = controller.wait_end(kLimit);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->phase, JobPhase::kDone) << end->failure;
  EXPECT_EQ(end->last->training, run_plain_loop(job).last);
}

}  // namespace
}  // namespace ballast
