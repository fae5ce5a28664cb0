// A namespace of its own on a real API server (KUBECONFIG), asked directly and through a proxy that
// breaks what it is told to break (BALLAST_PROXY, tests/cluster/fault_proxy.py).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include <gmock/gmock.h>

#include "common/random_id.h"
#include "operator/kube/client.h"
#include "operator/kube/config.h"
#include "operator/kube/curl_transport.h"
#include "operator/kube/informer.h"

namespace ballast::kube {

inline constexpr auto kPatience = std::chrono::seconds(60);
inline constexpr Resource kServiceAccounts = {"", "v1", "serviceaccounts", "ServiceAccount"};

inline ClientConfig direct_config() {
  const auto config = load_config("");
  if (!config) throw std::runtime_error(config.error().message);
  return *config;
}

inline std::shared_ptr<HttpTransport> transport_to(const ClientConfig& config) {
  auto transport = make_curl_transport(config);
  if (!transport) throw std::runtime_error(transport.error().message);
  return std::move(*transport);
}

// Waits for what other threads and the server bring about.
template <typename Condition>
bool becomes_true(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // sleeps: between two looks
  }
  return true;
}

class ApiServer : public ::testing::Test {
 protected:
  using json = nlohmann::json;

  void SetUp() override {
    const auto made = client_.create(
        kNamespaces, "",
        {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", name_space_}}}});
    ASSERT_TRUE(made) << made.error().error.message;
    // Without it no pod is taken; a cluster with controllers makes it by itself.
    const auto account = client_.create(
        kServiceAccounts, name_space_,
        {{"apiVersion", "v1"}, {"kind", "ServiceAccount"}, {"metadata", {{"name", "default"}}}});
    ASSERT_TRUE(account || account.error().error.code == ErrorCode::kAlreadyExists)
        << account.error().error.message;
  }
  void TearDown() override {
    faults(json::array());
    client_.remove(kNamespaces, {"", name_space_});
  }

  ApiResult<Object> make(KubeClient& client, const std::string& name, const std::string& value) {
    return client.create(kind_, name_space_, object(name, value));
  }
  json object(const std::string& name, const std::string& value) const {
    return kind_.plural == kPods.plural ? pod(name, value) : config_map(name, value);
  }
  // On a node that there is not.
  json pod(const std::string& name, const std::string& value) const {
    const json container = {{"name", "main"}, {"image", "none"}};
    return {
        {"apiVersion", "v1"},
        {"kind", "Pod"},
        {"metadata",
         {{"name", name},
          {"namespace", name_space_},
          {"labels", {{"test", "yes"}, {"value", value}}}}},
        {"spec",
         {{"nodeSelector", {{"no-node", "has-this"}}}, {"containers", json::array({container})}}}};
  }
  json config_map(const std::string& name, const std::string& value) const {
    return {
        {"apiVersion", "v1"},
        {"kind", "ConfigMap"},
        {"metadata", {{"name", name}, {"namespace", name_space_}, {"labels", {{"test", "yes"}}}}},
        {"data", {{"value", value}}}};
  }

  void faults(const json& list) {
    const auto done = proxied_transport_->send({"POST", "/faults", list.dump()}, {});
    ASSERT_TRUE(done) << done.error().message;
  }
  static ClientConfig proxied_config() {
    ClientConfig config;
    config.server = std::getenv("BALLAST_PROXY");
    return config;
  }

  // Of config maps with our label: name -> version, as the server has them.
  std::map<std::string, std::string> on_server() {
    std::map<std::string, std::string> versions;
    const auto list = client_.list(kind_, name_space_, {"test=yes", 0, ""});
    if (!list) return versions;
    for (const Object& object : list->objects) versions[object.key()] = object.resource_version;
    return versions;
  }
  static std::map<std::string, std::string> in_memory(const Informer& informer) {
    std::map<std::string, std::string> versions;
    for (const Object& object : informer.all()) versions[object.key()] = object.resource_version;
    return versions;
  }
  std::unique_ptr<Informer> follow(std::shared_ptr<KubeClient> client) {
    InformerOptions options;
    options.kind = kind_;
    options.name_space = name_space_;
    options.label_selector = "test=yes";
    options.trouble = [this](const WatchTrouble& trouble) {
      ++troubles_;
      if (trouble.code == 410) ++expired_;
    };
    return std::make_unique<Informer>(std::move(client), std::make_shared<SteadyClock>(),
                                      std::move(options));
  }

  const std::string name_space_ = "ballast-kube-test-" + random_uuid();
  Resource kind_ = kConfigMaps;
  std::shared_ptr<HttpTransport> transport_ = transport_to(direct_config());
  std::shared_ptr<HttpTransport> proxied_transport_ = transport_to(proxied_config());
  KubeClient client_{transport_, "ballast-test"};
  std::shared_ptr<KubeClient> proxied_ =
      std::make_shared<KubeClient>(proxied_transport_, "ballast-test");
  std::atomic<int> troubles_ = 0;
  std::atomic<int> expired_ = 0;
};

}  // namespace ballast::kube
