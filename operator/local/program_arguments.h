// The command lines of a job's processes on this machine. Pure functions.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "operator/api/status.h"
#include "operator/api/training_job.h"
#include "operator/local/certificates.h"

namespace ballast::local {

enum class Network { kUnix, kTcp, kTcpTrusted };

struct CommonArguments {
  std::string name;
  Network network = Network::kUnix;
  std::optional<CertificateFiles> tls;  // kTcp
  std::filesystem::path ready_file;
  int threads = 1;
};

// `socket`: where it listens, unless over TCP.
std::vector<std::string> server_arguments(const CommonArguments& common, const std::string& job_uid,
                                          const std::filesystem::path& socket);
std::vector<std::string> worker_arguments(const CommonArguments& common,
                                          const std::filesystem::path& job_file,
                                          const std::filesystem::path& cache_folder,
                                          const std::vector<api::MemberStatus>& members);

}  // namespace ballast::local
