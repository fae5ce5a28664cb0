#include "operator/kube/config.h"

#include <cstdlib>

#include "common/base64.h"
#include "common/file.h"
#include "operator/api/document.h"

namespace ballast::kube {
namespace {

using api::Node;

constexpr const char* kServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

Result<std::string> read_file(const std::filesystem::path& path) {
  return ballast::read_file(path, 1 << 20);
}

// The member of a list of {name: ..., <kind>: {...}} with this name.
Result<const Node*> named(const Node& config, const std::string& list, const std::string& kind,
                          const std::string& name) {
  const Node* found = config.find(list);
  if (found != nullptr) {
    for (const Node& item : found->items) {
      const Node* its_name = item.find("name");
      const Node* value = item.find(kind);
      if (its_name != nullptr && its_name->text == name && value != nullptr) return value;
    }
  }
  return fail(ErrorCode::kInvalid,
              "kubeconfig: there is no " + kind + " \"" + name + "\" in " + list);
}

std::string text_of(const Node& map, const std::string& key) {
  const Node* found = map.find(key);
  return found == nullptr ? "" : found->text;
}

// `key` is a path, `key`-data the same in base64.
Result<std::string> bytes_of(const Node& map, const std::string& key,
                             const std::filesystem::path& folder, const FileReader& read) {
  const std::string data = text_of(map, key + "-data");
  if (!data.empty()) {
    auto bytes = decode_base64(data);
    if (!bytes) {
      return fail(ErrorCode::kInvalid, "kubeconfig: " + key + "-data: " + bytes.error().message);
    }
    return bytes;
  }
  const std::string path = text_of(map, key);
  return path.empty() ? Result<std::string>("") : read(folder / path);
}

Result<void> read_cluster(const Node& cluster, const std::filesystem::path& folder,
                          const FileReader& read, ClientConfig& config) {
  config.server = text_of(cluster, "server");
  if (!config.server.starts_with("https://") && !config.server.starts_with("http://")) {
    return fail(ErrorCode::kInvalid, "kubeconfig: found the server \"" + config.server +
                                         "\"; expected https://HOST:PORT");
  }
  while (config.server.ends_with('/')) config.server.pop_back();
  if (text_of(cluster, "insecure-skip-tls-verify") == "true") {
    return fail(ErrorCode::kInvalid,
                "kubeconfig: insecure-skip-tls-verify is set; expected a certificate-authority");
  }
  auto ca = bytes_of(cluster, "certificate-authority", folder, read);
  if (!ca) return tl::unexpected(ca.error());
  config.ca_pem = *ca;
  return {};
}

Result<void> read_user(const Node& user, const std::filesystem::path& folder,
                       const FileReader& read, ClientConfig& config) {
  for (const char* refused : {"exec", "auth-provider", "username", "as"}) {
    if (user.find(refused) != nullptr) {
      return fail(ErrorCode::kInvalid, std::string("kubeconfig: the user has \"") + refused +
                                           "\"; expected a client-certificate, token or tokenFile");
    }
  }
  auto certificate = bytes_of(user, "client-certificate", folder, read);
  if (!certificate) return tl::unexpected(certificate.error());
  auto key = bytes_of(user, "client-key", folder, read);
  if (!key) return tl::unexpected(key.error());
  if (certificate->empty() != key->empty()) {
    return fail(ErrorCode::kInvalid,
                "kubeconfig: the user has one of client-certificate and client-key; expected both");
  }
  config.certificate_pem = *certificate;
  config.key_pem = *key;
  config.token = text_of(user, "token");
  if (const std::string file = text_of(user, "tokenFile"); !file.empty()) {
    config.token_file = folder / file;
  }
  return {};
}

Result<ClientConfig> of_pod() {
  const char* host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* port = std::getenv("KUBERNETES_SERVICE_PORT");
  const std::filesystem::path folder = kServiceAccount;
  ClientConfig config;
  const std::string address = host;
  const bool v6 = address.find(':') != std::string::npos;
  config.server = "https://" + (v6 ? "[" + address + "]" : address) + ":" + (port ? port : "443");
  config.token_file = folder / "token";
  auto ca = read_file(folder / "ca.crt");
  if (!ca) return tl::unexpected(ca.error());
  config.ca_pem = *ca;
  if (const auto name_space = read_file(folder / "namespace")) config.name_space = *name_space;
  return config;
}

Result<ClientConfig> of_file(const std::filesystem::path& path) {
  const auto text = read_file(path);
  if (!text) return tl::unexpected(text.error());
  auto config = parse_kubeconfig(*text, path.parent_path(), read_file);
  if (config) return config;
  return fail(config.error().code, path.string() + ": " + config.error().message);
}

}  // namespace

Result<ClientConfig> parse_kubeconfig(std::string_view text, const std::filesystem::path& folder,
                                      const FileReader& read) {
  const auto document = api::parse_yaml(text);
  if (!document) {
    return fail(ErrorCode::kInvalid, "kubeconfig: " + document.error().message);
  }
  const auto context =
      named(*document, "contexts", "context", text_of(*document, "current-context"));
  if (!context) return tl::unexpected(context.error());
  const auto cluster = named(*document, "clusters", "cluster", text_of(**context, "cluster"));
  if (!cluster) return tl::unexpected(cluster.error());
  const auto user = named(*document, "users", "user", text_of(**context, "user"));
  if (!user) return tl::unexpected(user.error());
  ClientConfig config;
  if (const std::string found = text_of(**context, "namespace"); !found.empty()) {
    config.name_space = found;
  }
  if (auto done = read_cluster(**cluster, folder, read, config); !done) {
    return tl::unexpected(done.error());
  }
  if (auto done = read_user(**user, folder, read, config); !done) {
    return tl::unexpected(done.error());
  }
  return config;
}

Result<ClientConfig> load_config(const std::filesystem::path& path) {
  if (!path.empty()) return of_file(path);
  if (const char* named_file = std::getenv("KUBECONFIG"); named_file != nullptr && *named_file) {
    return of_file(named_file);
  }
  if (std::getenv("KUBERNETES_SERVICE_HOST") != nullptr) return of_pod();
  const char* home = std::getenv("HOME");
  return of_file(std::filesystem::path(home == nullptr ? "/" : home) / ".kube" / "config");
}

}  // namespace ballast::kube
