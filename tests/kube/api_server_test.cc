// The client against a real API server, directly and through a proxy that breaks what it is told to
// break.
#include "tests/kube/api_server.h"

#include <barrier>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <vector>

#include "operator/cluster/kept.h"

namespace ballast::kube {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

// Whatever the client asks for, JSON comes.
class JsonOnly : public HttpTransport {
 public:
  explicit JsonOnly(std::shared_ptr<HttpTransport> inner) : inner_(std::move(inner)) {}
  Result<HttpAnswer> send(const HttpRequest& request, std::stop_token stop) override {
    return inner_->send(as_json(request), std::move(stop));
  }
  Result<HttpAnswer> stream(const HttpRequest& request,
                            const std::function<bool(std::string_view)>& frame,
                            std::stop_token stop) override {
    return inner_->stream(as_json(request), frame, std::move(stop));
  }

 private:
  static HttpRequest as_json(HttpRequest request) {
    request.accept = "application/json";
    return request;
  }
  const std::shared_ptr<HttpTransport> inner_;
};

TEST_F(ApiServer, KeepsWhatIsMade) {
  const auto made = make(client_, "a", "1");
  ASSERT_TRUE(made) << made.error().error.message;
  const auto again = make(client_, "a", "1");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().error.code, ErrorCode::kAlreadyExists);
  const auto found = client_.get(kConfigMaps, {name_space_, "a"});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->uid, made->uid);
  EXPECT_EQ(found->body->at("data").at("value"), "1");
  const auto nobody = client_.get(kConfigMaps, {name_space_, "nobody"});
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().error.code, ErrorCode::kNotFound);
  EXPECT_THAT(nobody.error().error.message, HasSubstr("nobody"));
}

TEST_F(ApiServer, AReplaceIsCompareAndSwap) {
  const auto made = make(client_, "a", "1");
  ASSERT_TRUE(made);
  json body = *made->body;
  body["data"]["value"] = "2";
  ASSERT_TRUE(client_.replace(kConfigMaps, {name_space_, "a"}, body));
  const auto late = client_.replace(kConfigMaps, {name_space_, "a"}, body);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().error.code, ErrorCode::kConflict);
}

TEST_F(ApiServer, ApplyMakesOurFieldsSoAndNoOthers) {
  ASSERT_TRUE(client_.apply(kConfigMaps, {name_space_, "a"}, config_map("a", "1"), false));
  KubeClient other(transport_, "somebody-else");
  const json theirs = {{"apiVersion", "v1"},
                       {"kind", "ConfigMap"},
                       {"metadata", {{"name", "a"}}},
                       {"data", {{"theirs", "kept"}}}};
  ASSERT_TRUE(other.apply(kConfigMaps, {name_space_, "a"}, theirs, false));
  const auto both = client_.apply(kConfigMaps, {name_space_, "a"}, config_map("a", "2"), false);
  ASSERT_TRUE(both) << both.error().error.message;
  EXPECT_EQ(both->body->at("data"), json({{"value", "2"}, {"theirs", "kept"}}));
  json contested = theirs;
  contested["data"] = {{"value", "3"}};
  const auto refused = other.apply(kConfigMaps, {name_space_, "a"}, contested, false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().error.code, ErrorCode::kConflict);
  // What changes nothing makes no new version.
  const auto same = client_.apply(kConfigMaps, {name_space_, "a"}, config_map("a", "2"), false);
  ASSERT_TRUE(same);
  EXPECT_EQ(same->resource_version, both->resource_version);
}

// As the operator writes one, of a kind whose whole it has never read.
TEST_F(ApiServer, AStatusWithoutTheSpecTakesNothingFromAnybody) {
  kind_ = kPods;
  KubeClient user(transport_, "a-user");
  json body = pod("a", "1");
  body["metadata"]["annotations"] = {{"theirs", "kept"}};
  ASSERT_TRUE(user.apply(kPods, {name_space_, "a"}, body, false));
  KubeClient plain(std::make_shared<JsonOnly>(transport_), "ballast-test");
  const auto before = plain.get(kPods, {name_space_, "a"});
  ASSERT_TRUE(before);
  json written = *before->body;
  written.erase("spec");
  written["metadata"].erase("managedFields");
  written["status"]["message"] = "told";
  const auto after = plain.replace(kPods, {name_space_, "a"}, written, "status");
  ASSERT_TRUE(after) << after.error().error.message;
  EXPECT_EQ(after->body->at("status").at("message"), "told");
  EXPECT_EQ(after->body->at("spec"), before->body->at("spec"));
  // What its manager leaves out is gone, and would stay if nobody knew whose it was.
  body["metadata"].erase("annotations");
  const auto again = user.apply(kPods, {name_space_, "a"}, body, false);
  ASSERT_TRUE(again) << again.error().error.message;
  const auto left = plain.get(kPods, {name_space_, "a"});
  ASSERT_TRUE(left);
  EXPECT_FALSE(left->body->at("metadata").contains("annotations")) << left->body->dump(1);
}

TEST_F(ApiServer, DeletesOnlyTheOneThatIsMeant) {
  const auto first = make(client_, "a", "1");
  ASSERT_TRUE(first);
  ASSERT_TRUE(client_.remove(kConfigMaps, {name_space_, "a"}, {first->uid, ""}));
  const auto second = make(client_, "a", "1");
  ASSERT_TRUE(second);
  const auto refused = client_.remove(kConfigMaps, {name_space_, "a"}, {first->uid, ""});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().error.code, ErrorCode::kConflict);
  EXPECT_TRUE(client_.get(kConfigMaps, {name_space_, "a"}));
}

TEST_F(ApiServer, ListsInPages) {
  for (int i = 0; i < 7; ++i) ASSERT_TRUE(make(client_, "a" + std::to_string(i), "1"));
  std::set<std::string> names;
  ListOptions options{"test=yes", 3, ""};
  int pages = 0;
  do {
    const auto page = client_.list(kConfigMaps, name_space_, options);
    ASSERT_TRUE(page) << page.error().error.message;
    EXPECT_LE(page->objects.size(), 3U);
    for (const Object& object : page->objects) names.insert(object.name);
    options.next = page->next;
    ++pages;
  } while (!options.next.empty());
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(names.size(), 7U);
}

TEST_F(ApiServer, AStrangerIsRefused) {
  ClientConfig config = direct_config();
  config.certificate_pem.clear();
  config.key_pem.clear();
  config.token = "made-up";
  KubeClient stranger(transport_to(config), "ballast-test");
  const auto refused = stranger.get(kConfigMaps, {name_space_, "a"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().error.code, ErrorCode::kDenied);
}

TEST_F(ApiServer, AServerThatOurAuthorityDoesNotKnowIsRefused) {
  ClientConfig config = direct_config();
  // This machine trusts it, which is not the question.
  const std::string trusted = ::testing::TempDir() + "trusted-" + random_uuid();
  std::ofstream(trusted) << config.ca_pem;
  ::setenv("SSL_CERT_FILE", trusted.c_str(), 1);
  config.ca_pem = config.certificate_pem;  // a certificate, but no authority of the server
  KubeClient client(transport_to(config), "ballast-test");
  const auto refused = client.get(kNamespaces, {"", "default"});
  ::unsetenv("SSL_CERT_FILE");
  std::filesystem::remove(trusted);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, 0);
}

TEST_F(ApiServer, ProtobufAndJsonAreTheSameObjects) {
  kind_ = kPods;
  json body = pod("a", "1");
  body["metadata"]["annotations"] = {{"said", "gr\u00fc\u00df"}};
  body["metadata"]["ownerReferences"] = json::array(
      {{{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"name", "nobody"}, {"uid", random_uuid()}}});
  body["metadata"]["finalizers"] = json::array({"ballast.dev/test"});
  ASSERT_TRUE(client_.create(kPods, name_space_, body));
  const json ended = {{"exitCode", 137},
                      {"reason", "OOMKilled"},
                      {"message", "too much"},
                      {"startedAt", "2026-01-31T12:00:00Z"},
                      {"finishedAt", "2026-01-31T12:01:00Z"}};
  const auto container = [](const char* name, const char* state, const json& told) {
    return json{{"name", name},   {"image", "none"},   {"imageID", ""},
                {"ready", false}, {"restartCount", 0}, {"state", {{state, told}}}};
  };
  const json status = {
      {"phase", "Failed"},
      {"reason", "Evicted"},
      {"message", "the node was low on memory"},
      {"podIP", "10.1.2.3"},
      {"podIPs", json::array({{{"ip", "10.1.2.3"}}})},
      {"conditions", json::array({{{"type", "DisruptionTarget"},
                                   {"status", "True"},
                                   {"reason", "TerminationByKubelet"}}})},
      {"containerStatuses",
       json::array({container("main", "terminated", ended),
                    container("beside", "waiting", {{"reason", "ImagePullBackOff"}}),
                    container("late", "running", {{"startedAt", "2026-01-31T12:00:00Z"}})})}};
  const auto told = client_.merge(kPods, {name_space_, "a"}, {{"status", status}}, "status");
  ASSERT_TRUE(told) << told.error().error.message;
  // Deleted, and not gone: it has a time of its end.
  ASSERT_TRUE(client_.remove(kPods, {name_space_, "a"}));

  const auto json_only = std::make_shared<JsonOnly>(transport_);
  KubeClient as_protobuf(transport_, "ballast-test", cluster::wanted_fields());
  KubeClient as_json(json_only, "ballast-test", cluster::wanted_fields());
  for (const Resource& kind : {kPods, kNodes}) {
    const std::string where = kind.plural == kPods.plural ? name_space_ : "";
    const auto bodies = [&](KubeClient& client) {
      json all = json::array();
      const auto list = client.list(kind, where);
      if (!list) return json(list.error().error.message);
      for (const Object& object : list->objects) all.push_back(*object.body);
      return all;
    };
    // Others may write between the two.
    json wire, plain;
    EXPECT_TRUE(becomes_true([&] {
      return (wire = bodies(as_protobuf)) == (plain = bodies(as_json));
    })) << wire.dump(1)
        << plain.dump(1);
  }
  const auto wire = as_protobuf.get(kPods, {name_space_, "a"});
  ASSERT_TRUE(wire);
  EXPECT_EQ(wire->body->at("status").at("containerStatuses").size(), 3U);
  EXPECT_TRUE(wire->body->at("metadata").contains("deletionTimestamp"));
  const auto nobody_wire = as_protobuf.get(kPods, {name_space_, "nobody"});
  const auto nobody_json = as_json.get(kPods, {name_space_, "nobody"});
  ASSERT_FALSE(nobody_wire);
  EXPECT_EQ(nobody_wire.error().error.code, ErrorCode::kNotFound);
  EXPECT_EQ(nobody_wire.error().error.message, nobody_json.error().error.message);
  ASSERT_TRUE(client_.merge(kPods, {name_space_, "a"}, {{"metadata", {{"finalizers", nullptr}}}}));
}

size_t open_descriptors() {
  const std::filesystem::directory_iterator folder("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(folder), end(folder)));
}

TEST_F(ApiServer, ConnectionsThatNobodyNeedsAreClosed) {
  CurlOptions options;
  options.idle_connection_ms = 0;
  auto transport = make_curl_transport(direct_config(), options);
  ASSERT_TRUE(transport) << transport.error().message;
  KubeClient client(std::move(*transport), "ballast-test");
  const auto ask = [&] { return client.get(kNamespaces, {"", name_space_}).has_value(); };
  ASSERT_TRUE(ask());
  const size_t with_one = open_descriptors();
  constexpr int kAtOnce = 8;
  std::barrier together(kAtOnce);
  std::vector<std::jthread> threads;
  for (int i = 0; i < kAtOnce; ++i) {
    threads.emplace_back([&] {
      together.arrive_and_wait();
      EXPECT_TRUE(ask());
    });
  }
  threads.clear();
  ASSERT_TRUE(ask());
  EXPECT_EQ(open_descriptors(), with_one);
}

TEST_F(ApiServer, FaultsOfAnAnswerAreErrorsThatSayWhatTheyAre) {
  ASSERT_TRUE(make(client_, "a", "1"));
  const auto with = [&](const json& fault) {
    faults(json::array({fault}));
    return proxied_->get(kConfigMaps, {name_space_, "a"});
  };
  const auto slow = with(
      {{"match", "GET"}, {"count", 1}, {"fault", "status"}, {"status", 429}, {"retryAfter", 2}});
  ASSERT_FALSE(slow);
  EXPECT_EQ(slow.error().status, 429);
  EXPECT_EQ(slow.error().retry_after_ms, 2000);
  for (const char* fault : {"cut", "half", "garbage"}) {
    // Often: a request over a kept connection that is closed without an answer is sent again.
    const auto broken = with({{"match", "GET"}, {"count", 100}, {"fault", fault}});
    faults(json::array());
    ASSERT_FALSE(broken) << fault;
    EXPECT_EQ(broken.error().status, 0) << fault << ": " << broken.error().error.message;
    EXPECT_TRUE(proxied_->get(kConfigMaps, {name_space_, "a"})) << "after " << fault;
  }
}

}  // namespace
}  // namespace ballast::kube
