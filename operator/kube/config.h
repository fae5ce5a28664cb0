// Where the API server is and who we are: from a kubeconfig, or from what a pod is given. Plain
// values; parsing is pure.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "common/error.h"

namespace ballast::kube {

struct ClientConfig {
  std::string server;  // https://HOST:PORT
  std::string ca_pem;  // empty: the machine's own authorities
  std::string certificate_pem;
  std::string key_pem;
  std::string token;
  std::filesystem::path token_file;  // read again and again: tokens are replaced while we run
  std::string name_space = "default";
};

// Reads a file that the kubeconfig names, relative to its folder.
using FileReader = std::function<Result<std::string>(const std::filesystem::path&)>;

// Its current context. Programs that fetch credentials (exec, auth-provider) are refused: the
// operator runs none.
Result<ClientConfig> parse_kubeconfig(std::string_view text, const std::filesystem::path& folder,
                                      const FileReader& read);

// `path` empty: $KUBECONFIG, then a pod's service account, then ~/.kube/config.
Result<ClientConfig> load_config(const std::filesystem::path& path);

}  // namespace ballast::kube
