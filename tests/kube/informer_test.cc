// The informer against a real API server, whatever breaks in between. Where BALLAST_CLUSTER names a
// test cluster, its API server is killed, too.
#include "operator/kube/informer.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "tests/kube/api_server.h"

namespace ballast::kube {
namespace {

using nlohmann::json;

// One request to the test cluster: "kill kube-apiserver".
void ask_cluster(const std::string& request) {
  const std::string path = std::string(std::getenv("BALLAST_CLUSTER")) + "/control";
  const int socket_fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(connect(socket_fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << path;
  const std::string line = request + "\n";
  ASSERT_EQ(write(socket_fd, line.data(), line.size()), static_cast<ssize_t>(line.size()));
  std::string answer(256, '\0');
  const ssize_t bytes = read(socket_fd, answer.data(), answer.size());
  close(socket_fd);
  ASSERT_GT(bytes, 0);
  ASSERT_EQ(answer.substr(0, static_cast<size_t>(bytes)), "ok\n");
}

// What is asked for as JSON, and what is asked for as protobuf.
class ApiServerOf : public ApiServer, public ::testing::WithParamInterface<Resource> {
 protected:
  ApiServerOf() { kind_ = GetParam(); }
};

INSTANTIATE_TEST_SUITE_P(Kinds, ApiServerOf, ::testing::Values(kConfigMaps, kPods),
                         [](const auto& of) { return std::string(of.param.plural); });

TEST_P(ApiServerOf, AnInformerFollowsWhatHappens) {
  ASSERT_TRUE(make(client_, "before", "1"));
  const auto informer = follow(std::make_shared<KubeClient>(transport_, "ballast-test"));
  ASSERT_TRUE(becomes_true([&] { return informer->synced(); }));
  EXPECT_TRUE(informer->find(name_space_ + "/before"));
  ASSERT_TRUE(make(client_, "after", "1"));
  ASSERT_TRUE(client_.remove(kind_, {name_space_, "before"}));
  EXPECT_TRUE(becomes_true([&] { return in_memory(*informer) == on_server(); }));
  EXPECT_EQ(in_memory(*informer).size(), 1U);
  EXPECT_EQ(troubles_, 0);
}

TEST_F(ApiServer, AnInformerEndsAtOnceWhenItIsToldTo) {
  auto informer = follow(std::make_shared<KubeClient>(transport_, "ballast-test"));
  ASSERT_TRUE(becomes_true([&] { return informer->synced(); }));
  const auto before = std::chrono::steady_clock::now();
  informer.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(30));
}

TEST_P(ApiServerOf, AnInformerConvergesWhateverBreaks) {
  const auto informer = follow(proxied_);
  ASSERT_TRUE(becomes_true([&] { return informer->synced(); }));
  const auto status = [](const char* match, int code, int count) -> json {
    return {{"match", match}, {"count", count}, {"fault", "status"}, {"status", code}};
  };
  const auto other = [](const char* match, const char* fault, int count) -> json {
    return {{"match", match}, {"count", count}, {"fault", fault}};
  };
  const std::vector<json> rounds = {
      {other("watch=true", "garbage", 1)},
      {other("watch=true", "half", 2)},
      {other("watch=true", "cut", 2)},
      {other("watch=true", "garbage", 1), status("watch=true", 410, 1)},
      {other("watch=true", "garbage", 1), status("watch=true", 410, 1), status("limit=", 429, 2)},
      {other("watch=true", "garbage", 1), status("watch=true", 410, 1), other("limit=", "half", 2)},
      {other("watch=true", "garbage", 1), status("watch=true", 500, 2),
       status("watch=true", 503, 1)},
  };
  int number = 0;
  for (const json& round : rounds) {
    const int troubles_before = troubles_;
    faults(round);
    // The stream that is open ends with a new one: that is when the first fault bites.
    const auto extra = follow(proxied_);
    ++number;
    for (int i = 0; i < 4; ++i) {
      ASSERT_TRUE(make(client_, "r" + std::to_string(number) + "-" + std::to_string(i), "1"));
    }
    ASSERT_TRUE(client_.remove(kind_, {name_space_, "r" + std::to_string(number) + "-0"}));
    // A stream that is to break does so with its next event, and may have begun after those above.
    int changes = 0;
    ASSERT_TRUE(becomes_true([&] {
      const json touched = object("touched", std::to_string(++changes));
      return client_.apply(kind_, {name_space_, "touched"}, touched, true).has_value() &&
             troubles_ > troubles_before;
    })) << round.dump();
    ASSERT_TRUE(becomes_true([&] {
      return extra->synced() && in_memory(*extra) == on_server() &&
             in_memory(*informer) == on_server();
    })) << round.dump();
  }
  EXPECT_GT(expired_, 0);
}

TEST_P(ApiServerOf, AnInformerOutlivesTheServer) {
  if (std::getenv("BALLAST_CLUSTER") == nullptr) GTEST_SKIP() << "not a test cluster of ours";
  const auto informer = follow(std::make_shared<KubeClient>(transport_, "ballast-test"));
  ASSERT_TRUE(make(client_, "before", "1"));
  ASSERT_TRUE(becomes_true([&] { return in_memory(*informer).size() == 1; }));
  ask_cluster("kill kube-apiserver");
  const auto away = client_.get(kind_, {name_space_, "before"});
  ASSERT_FALSE(away);
  EXPECT_EQ(away.error().status, 0);
  ASSERT_TRUE(becomes_true([&] { return troubles_ > 0; }));
  EXPECT_EQ(in_memory(*informer).size(), 1U) << "what was known stays known";
  ask_cluster("start kube-apiserver");
  ASSERT_TRUE(becomes_true([&] { return bool(make(client_, "after", "1")); }));
  ASSERT_TRUE(client_.remove(kind_, {name_space_, "before"}));
  EXPECT_TRUE(becomes_true([&] { return in_memory(*informer) == on_server(); }));
  EXPECT_EQ(in_memory(*informer).size(), 1U);
}

}  // namespace
}  // namespace ballast::kube
