// Requests as they go out, and answers as they come back, without a network.
#include "operator/kube/client.h"

#include <gmock/gmock.h>

namespace ballast::kube {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class FakeTransport : public HttpTransport {
 public:
  Result<HttpAnswer> send(const HttpRequest& request, std::stop_token) override {
    last = request;
    return answer;
  }
  Result<HttpAnswer> stream(const HttpRequest& request,
                            const std::function<bool(std::string_view)>& line,
                            std::stop_token) override {
    last = request;
    for (const std::string& each : lines) {
      ++given;
      if (!line(each)) break;
    }
    return answer;
  }

  HttpRequest last;
  Result<HttpAnswer> answer = HttpAnswer{
      200, R"({"metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"5"}})", {}};
  std::vector<std::string> lines;
  int given = 0;
};

class Client : public ::testing::Test {
 protected:
  std::shared_ptr<FakeTransport> transport_ = std::make_shared<FakeTransport>();
  KubeClient client_{transport_, "tester"};
};

TEST_F(Client, SendsWhatItIsAskedFor) {
  ASSERT_TRUE(client_.get(kPods, {"n", "a"}));
  EXPECT_EQ(transport_->last.method + " " + transport_->last.path,
            "GET /api/v1/namespaces/n/pods/a");
  ASSERT_TRUE(client_.create(kPods, "n", {{"kind", "Pod"}}));
  EXPECT_EQ(transport_->last.method + " " + transport_->last.path,
            "POST /api/v1/namespaces/n/pods?fieldManager=tester");
  EXPECT_EQ(transport_->last.body, R"({"kind":"Pod"})");
  EXPECT_EQ(transport_->last.accept, kAcceptProtobuf);
  ASSERT_TRUE(client_.apply(kPods, {"n", "a"}, {}, true));
  EXPECT_EQ(transport_->last.path, "/api/v1/namespaces/n/pods/a?fieldManager=tester&force=true");
  EXPECT_EQ(transport_->last.content_type, "application/apply-patch+yaml");
  ASSERT_TRUE(client_.replace(kTrainingJobs, {"n", "a"}, {}, "status"));
  EXPECT_EQ(
      transport_->last.method + " " + transport_->last.path,
      "PUT /apis/ballast.dev/v1alpha1/namespaces/n/trainingjobs/a/status?fieldManager=tester");
  EXPECT_EQ(transport_->last.accept, "application/json");
  ASSERT_TRUE(client_.merge(kPods, {"n", "a"}, {}));
  EXPECT_EQ(transport_->last.content_type, "application/merge-patch+json");
}

TEST_F(Client, DeletesOnlyTheOneThatIsMeant) {
  ASSERT_TRUE(client_.remove(kPods, {"n", "a"}, {"the-uid", "7"}));
  const json options = json::parse(transport_->last.body);
  EXPECT_EQ(options["preconditions"]["uid"], "the-uid");
  EXPECT_EQ(options["preconditions"]["resourceVersion"], "7");
  ASSERT_TRUE(client_.remove(kPods, {"n", "a"}, {"the-uid", "", 0}));
  EXPECT_EQ(json::parse(transport_->last.body)["gracePeriodSeconds"], 0);
  ASSERT_TRUE(client_.remove(kPods, {"n", "a"}));
  EXPECT_FALSE(json::parse(transport_->last.body).contains("preconditions"));
}

TEST_F(Client, TellsTheServersErrorsFromAbsentAnswers) {
  transport_->answer = HttpAnswer{409, R"({"kind":"Status","reason":"Conflict"})", {}};
  auto got = client_.get(kPods, {"n", "a"});
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().status, 409);
  EXPECT_EQ(got.error().error.code, ErrorCode::kConflict);
  transport_->answer = fail(ErrorCode::kTimeout, "nobody answered");
  got = client_.get(kPods, {"n", "a"});
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().status, 0);
  EXPECT_EQ(got.error().error.code, ErrorCode::kTimeout);
  transport_->answer = HttpAnswer{200, "half an obj", {}};
  got = client_.get(kPods, {"n", "a"});
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().error.code, ErrorCode::kCorrupt);
}

TEST_F(Client, AWatchGivesFramesUntilOneIsDamaged) {
  const std::string good =
      R"({"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"5"}}})";
  transport_->lines = {good, good, "{half", good};
  int frames = 0;
  const auto done = client_.watch(kPods, "n", "a=b", "7", [&](const WatchFrame&) {
    ++frames;
    return true;
  });
  EXPECT_EQ(frames, 2);
  EXPECT_EQ(transport_->given, 3);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().status, 0);
  EXPECT_THAT(transport_->last.path, HasSubstr("watch=true&allowWatchBookmarks=true"));
  EXPECT_THAT(transport_->last.path, HasSubstr("resourceVersion=7&labelSelector=a%3Db"));
}

TEST_F(Client, AWatchThatIsRefusedSaysWhy) {
  transport_->answer = HttpAnswer{410, R"({"kind":"Status","message":"too old"})", {}};
  const auto done = client_.watch(kPods, "n", "", "7", [](const WatchFrame&) { return true; });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().status, 410);
}

}  // namespace
}  // namespace ballast::kube
