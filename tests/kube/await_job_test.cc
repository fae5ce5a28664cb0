// Waiting for the end of a job: what is told, and what ends it, without a network and without time.
#include "operator/cluster/await_job.h"

#include <deque>

#include <gmock/gmock.h>

namespace ballast::cluster {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Gives one answer after the other, the last one again and again.
class Answers : public kube::HttpTransport {
 public:
  Result<kube::HttpAnswer> send(const kube::HttpRequest& request, std::stop_token) override {
    path = request.path;
    Result<kube::HttpAnswer> answer = list.front();
    if (list.size() > 1) list.pop_front();
    return answer;
  }
  Result<kube::HttpAnswer> stream(const kube::HttpRequest&,
                                  const std::function<bool(std::string_view)>&,
                                  std::stop_token) override {
    return fail(ErrorCode::kInternal, "nobody asks for this");
  }

  std::string path;
  std::deque<Result<kube::HttpAnswer>> list;
};

kube::HttpAnswer job(const std::string& rest) {
  return {
      200,
      R"({"metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"5"})" + rest + "}",
      {}};
}

class AwaitJob : public ::testing::Test {
 protected:
  Result<void> await(std::deque<Result<kube::HttpAnswer>> answers) {
    transport_->list = std::move(answers);
    kube::KubeClient client(transport_, "tester");
    return await_success(client,
                         {.job = {"n", "a"},
                          .patience_ms = 10'000,
                          .clock = clock_,
                          .rest =
                              [this](int64_t ms) {
                                clock_->advance_ms(ms);
                                return clock_->now_ms() != stopped_at_ms_;
                              },
                          .tell = [this](const std::string& line) { told_.push_back(line); }});
  }

  std::shared_ptr<Answers> transport_ = std::make_shared<Answers>();
  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
  int64_t stopped_at_ms_ = -1;
  std::vector<std::string> told_;
};

TEST_F(AwaitJob, TellsEachChangeUntilTheJobHasSucceeded) {
  const auto running = job(R"(,"status":{"state":"Running","step":3})");
  ASSERT_TRUE(await({job(""), running, running, fail(ErrorCode::kUnavailable, "nobody answered"),
                     job(R"(,"status":{"state":"Succeeded","step":9,"conditions":[
                       {"type":"Failed","status":"False"},
                       {"type":"Succeeded","status":"True"}]})")}));
  EXPECT_THAT(told_, ElementsAre("not seen by an operator yet", "Running, step 3",
                                 "nobody answered", "Succeeded, step 9"));
  EXPECT_EQ(transport_->path, "/apis/ballast.dev/v1alpha1/namespaces/n/trainingjobs/a");
}

TEST_F(AwaitJob, GivesTheReasonOfAFailure) {
  const auto ended = await({job(R"(,"status":{"conditions":[
      {"type":"Failed","status":"True","message":"too many restarts"}]})")});
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(ended.error().message, HasSubstr("n/a has failed: too many restarts"));
}

TEST_F(AwaitJob, EndsWithTheTimeAndSaysWhatItSaw) {
  const auto ended = await({job(R"(,"status":{"state":"Running","conditions":[7,{"type":1}]})")});
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::kTimeout);
  EXPECT_THAT(ended.error().message, HasSubstr("after 10 s; last seen: Running"));
  EXPECT_EQ(clock_->now_ms(), 10'000);
}

TEST_F(AwaitJob, GivesUpWhenItIsAskedTo) {
  stopped_at_ms_ = 2'000;
  ASSERT_FALSE(await({job("")}));
  EXPECT_EQ(clock_->now_ms(), 2'000);
}

TEST_F(AwaitJob, DoesNotWaitForARightThatItLacks) {
  const auto ended = await({kube::HttpAnswer{403, R"({"kind":"Status","message":"no"})", {}}});
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::kDenied);
  EXPECT_EQ(clock_->now_ms(), 0);
}

}  // namespace
}  // namespace ballast::cluster
