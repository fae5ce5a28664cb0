// Operators that share one authority through a Secret: made once, moved on, and never written over
// where it cannot be read.
#include "operator/cluster/certificate_authority.h"

#include <atomic>
#include <thread>

#include <gmock/gmock.h>

#include "common/base64.h"
#include "common/certificate.h"
#include "tests/cluster_certificates/fake_api.h"

namespace ballast::cluster {
namespace {

using certificates::Authority;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kMinuteMs = 60'000;
constexpr int64_t kDayMs = 24 * 60 * kMinuteMs;
constexpr const char* kPath = "/api/v1/namespaces/system/secrets/ballast-operator-ca";

json empty_secret() {
  return {{"apiVersion", "v1"},
          {"kind", "Secret"},
          {"type", "Opaque"},
          {"metadata",
           {{"name", "ballast-operator-ca"}, {"namespace", "system"}, {"labels", {{"a", "b"}}}}}};
}

class Operators : public testing::Test {
 protected:
  std::unique_ptr<CertificateAuthority> an_operator() {
    return std::make_unique<CertificateAuthority>(
        AuthorityOptions{std::make_shared<kube::KubeClient>(api_, "tester"),
                         {"system", "ballast-operator-ca"},
                         certificates::Lives{},
                         [this] { return now_ms_.load(); },
                         Logger(log_)});
  }
  std::string all_log_lines() const {
    std::string all;
    for (const std::string& line : log_->lines()) all += line + "\n";
    return all;
  }

  std::atomic<int64_t> now_ms_{20'000 * kDayMs};
  std::shared_ptr<kube::FakeApi> api_ = std::make_shared<kube::FakeApi>();
  std::shared_ptr<CapturedLog> log_ = std::make_shared<CapturedLog>();
};

TEST_F(Operators, MakeTheSecretWhereItIsMissing) {
  const auto made = an_operator()->get();
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(an_operator()->get(), *made) << "the next one takes what is there";
  EXPECT_EQ(api_->get(kPath)["type"], "Opaque");
  EXPECT_THAT(all_log_lines(), Not(HasSubstr("PRIVATE")));
  EXPECT_THAT(all_log_lines(), Not(HasSubstr(encode_base64(made->current.key).substr(0, 40))));
}

// As the chart makes it, so that the operator needs no right to create.
TEST_F(Operators, FillASecretThatIsEmpty) {
  for (const json& data : {json(), json::object()}) {
    json secret = empty_secret();
    if (!data.is_null()) secret["data"] = data;
    api_->put(kPath, secret);
    api_->refuse("POST", 403);
    const auto made = an_operator()->get();
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(an_operator()->get(), *made);
    EXPECT_EQ(api_->get(kPath)["metadata"]["labels"]["a"], "b") << "what is not ours stays";
  }
}

TEST_F(Operators, ThatBeginAtOnceAgree) {
  for (int round = 0; round < 10; ++round) {
    api_->remove(kPath);
    if (round % 2 == 1) api_->put(kPath, empty_secret());
    std::vector<Result<Authority>> got(4, fail(ErrorCode::kInternal, "not asked"));
    {
      std::vector<std::jthread> threads;
      for (auto& result : got) {
        threads.emplace_back([this, &result] { result = an_operator()->get(); });
      }
    }
    for (const auto& result : got) {
      ASSERT_TRUE(result) << result.error().message;
      EXPECT_EQ(*result, *got.front());
    }
  }
}

TEST_F(Operators, AskOnceForManyJobs) {
  const auto one = an_operator();
  ASSERT_TRUE(one->get());
  api_->take_asked();
  for (int job = 0; job < 10; ++job) {
    ASSERT_TRUE(one->identity("n", "uid", certificates::Role::kServer));
  }
  EXPECT_THAT(api_->take_asked(), ElementsAre());
  now_ms_ += 11 * kMinuteMs;
  ASSERT_TRUE(one->get());
  EXPECT_THAT(api_->take_asked(), ElementsAre(std::string("GET ") + kPath));
}

TEST_F(Operators, NeverWriteOverWhatTheyCannotRead) {
  ASSERT_TRUE(an_operator()->get());
  const json whole = api_->get(kPath);
  const std::pair<const char*, json> table[] = {{"tls.key", encode_base64("nonsense")},
                                                {"tls.crt", "!"},
                                                {"tls.crt", 7},
                                                {"tls.key", nullptr}};
  for (const auto& [name, value] : table) {
    json broken = whole;
    if (value.is_null()) {
      broken["data"].erase(name);
    } else {
      broken["data"][name] = value;
    }
    api_->put(kPath, broken);
    const json before = api_->get(kPath);
    const auto refused = an_operator()->get();
    ASSERT_FALSE(refused) << name;
    EXPECT_THAT(refused.error().message, HasSubstr("system/ballast-operator-ca"));
    EXPECT_THAT(refused.error().message, HasSubstr(name));
    EXPECT_EQ(api_->get(kPath), before);
  }
}

TEST_F(Operators, NeverWriteOverWhatHasEnded) {
  ASSERT_TRUE(an_operator()->get());
  now_ms_ += 11 * 365 * kDayMs;
  const json before = api_->get(kPath);
  const auto refused = an_operator()->get();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("ended"));
  EXPECT_EQ(api_->get(kPath), before);

  // A person decides: without data a new one is made.
  api_->put(kPath, empty_secret());
  EXPECT_TRUE(an_operator()->get());
}

TEST_F(Operators, MoveOnTogether) {
  const auto one = an_operator(), other = an_operator();
  const auto first = one->get();
  ASSERT_TRUE(first && other->get());
  now_ms_ += (9 * 365 + 30) * kDayMs;
  const auto shown = one->get();
  ASSERT_TRUE(shown);
  ASSERT_TRUE(shown->next);
  EXPECT_EQ(shown->current, first->current);
  EXPECT_EQ(other->get(), *shown);
  now_ms_ += 15 * kDayMs;
  const auto signs = other->get();
  ASSERT_TRUE(signs);
  EXPECT_EQ(signs->current, *shown->next);
  EXPECT_EQ(one->get(), *signs);
}

TEST_F(Operators, GoOnWithWhatTheyKnowWhileTheServerIsAway) {
  const auto one = an_operator();
  const auto known = one->get();
  ASSERT_TRUE(known);
  api_->refuse("GET", 503);
  now_ms_ += 11 * kMinuteMs;
  EXPECT_EQ(one->get(), *known);
  EXPECT_THAT(all_log_lines(), HasSubstr("cannot be read again"));
  EXPECT_FALSE(an_operator()->get()) << "one that knows nothing";
}

TEST_F(Operators, MakeAgainWhatSomebodyRemovedMeanwhile) {
  const auto one = an_operator();
  const auto known = one->get();
  ASSERT_TRUE(known);
  api_->remove(kPath);
  now_ms_ += 11 * kMinuteMs;
  EXPECT_EQ(one->get(), *known);
  EXPECT_EQ(an_operator()->get(), *known);
}

TEST_F(Operators, SayWhatTheyMayNotDo) {
  api_->refuse("POST", 403);
  const auto refused = an_operator()->get();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kDenied);
  EXPECT_THAT(refused.error().message, HasSubstr("system/ballast-operator-ca"));
}

}  // namespace
}  // namespace ballast::cluster
