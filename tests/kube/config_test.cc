#include "operator/kube/config.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>

#include "common/random_id.h"

namespace ballast::kube {
namespace {

using ::testing::HasSubstr;

Result<std::string> no_file(const std::filesystem::path& path) {
  return fail(ErrorCode::kNotFound, path.string() + " is not there");
}

std::string kubeconfig(const std::string& cluster, const std::string& user) {
  return "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
         "contexts: [{name: other, context: {}}, {name: c, context: {cluster: k, user: u, "
         "namespace: n}}]\n"
         "clusters: [{name: k, cluster: {" +
         cluster + "}}]\nusers: [{name: u, user: {" + user + "}}]\n";
}

TEST(Kubeconfig, IsReadFromItsCurrentContext) {
  const auto config = parse_kubeconfig(
      kubeconfig("server: 'https://h:1/', certificate-authority-data: Y2E=",
                 "client-certificate-data: Y2VydA==, client-key-data: a2V5, token: t"),
      "/etc", no_file);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->server, "https://h:1");
  EXPECT_EQ(config->ca_pem, "ca");
  EXPECT_EQ(config->certificate_pem, "cert");
  EXPECT_EQ(config->key_pem, "key");
  EXPECT_EQ(config->token, "t");
  EXPECT_EQ(config->name_space, "n");
}

TEST(Kubeconfig, NamesFilesFromItsOwnFolder) {
  const auto read = [](const std::filesystem::path& path) -> Result<std::string> {
    return "content of " + path.string();
  };
  const auto config = parse_kubeconfig(
      kubeconfig("server: 'https://h:1', certificate-authority: pki/ca.crt",
                 "client-certificate: /absolute.crt, client-key: k.key, tokenFile: token"),
      "/etc/k", read);
  ASSERT_TRUE(config);
  EXPECT_EQ(config->ca_pem, "content of /etc/k/pki/ca.crt");
  EXPECT_EQ(config->certificate_pem, "content of /absolute.crt");
  EXPECT_EQ(config->token_file, "/etc/k/token");
}

TEST(Kubeconfig, SaysInWhichFile) {
  const std::string path = ::testing::TempDir() + "kubeconfig-" + random_uuid();
  std::ofstream(path) << "[";
  const auto config = load_config(path);
  std::filesystem::remove(path);
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().message, HasSubstr(path));
  EXPECT_THAT(load_config("/nothere").error().message, HasSubstr("/nothere"));
}

TEST(Kubeconfig, SaysWhatIsWrong) {
  const std::string server = "server: 'https://h:1'";
  const std::vector<std::pair<std::string, std::string>> table = {
      {"", "kubeconfig"},
      {"[", "kubeconfig"},
      {"current-context: nobody", "no context \"nobody\""},
      {kubeconfig("server: 'ftp://h'", ""), "expected https://"},
      {kubeconfig("{}", ""), "kubeconfig"},
      {kubeconfig(server + ", insecure-skip-tls-verify: true", ""), "insecure-skip-tls-verify"},
      {kubeconfig(server + ", certificate-authority: ca.crt", ""), "ca.crt is not there"},
      {kubeconfig(server + ", certificate-authority-data: '*'", ""), "base64"},
      {kubeconfig(server, "exec: {command: x}"), "exec"},
      {kubeconfig(server, "auth-provider: {name: x}"), "auth-provider"},
      {kubeconfig(server, "client-certificate-data: YQ=="), "expected both"}};
  for (const auto& [text, words] : table) {
    const auto config = parse_kubeconfig(text, "/etc", no_file);
    ASSERT_FALSE(config) << text;
    EXPECT_THAT(config.error().message, HasSubstr(words)) << text;
  }
}

}  // namespace
}  // namespace ballast::kube
