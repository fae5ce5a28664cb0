#include "operator/local/program_arguments.h"

namespace ballast::local {
namespace {

void add_common(const CommonArguments& common, std::vector<std::string>& out) {
  const auto add = [&](const char* flag, const std::string& value) {
    out.emplace_back(flag);
    out.push_back(value);
  };
  add("--metrics-listen", "127.0.0.1:0");
  add("--ready-file", common.ready_file.string());
  add("--threads", std::to_string(common.threads));
  if (common.network == Network::kTcpTrusted) out.emplace_back("--trusted-network");
  if (common.tls) {
    add("--tls-certificate", common.tls->certificate.string());
    add("--tls-key", common.tls->key.string());
    add("--tls-ca", common.tls->ca.string());
  }
}

}  // namespace

std::vector<std::string> server_arguments(const CommonArguments& common, const std::string& job_uid,
                                          const std::filesystem::path& socket) {
  const std::string listen =
      common.network == Network::kUnix ? "unix:" + socket.string() : "127.0.0.1:0";
  std::vector<std::string> out = {"--name", common.name, "--job-uid", job_uid, "--listen", listen};
  add_common(common, out);
  return out;
}

std::vector<std::string> worker_arguments(const CommonArguments& common,
                                          const std::filesystem::path& job_file,
                                          const std::filesystem::path& cache_folder,
                                          const std::vector<api::MemberStatus>& members) {
  std::string servers;
  for (const api::MemberStatus& member : members)
    servers += (servers.empty() ? "" : ",") + member.address;
  std::vector<std::string> out = {"--name",    common.name, "--job",       job_file.string(),
                                  "--servers", servers,     "--cache-dir", cache_folder.string()};
  add_common(common, out);
  return out;
}

}  // namespace ballast::local
