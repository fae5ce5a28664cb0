// The certificate authority of one local run over TCP: made in memory, used once for each role, and
// forgotten; its key is never written. Every certificate says which job and role its owner is
// (SAN spiffe://ballast/<namespace>/<job UID>/<role>) and is good for this machine only. Stateless.
#pragma once

#include <filesystem>
#include <string>

#include "common/error.h"

namespace ballast::local {

// PEM files of one role; the key's mode is 0600.
struct CertificateFiles {
  std::filesystem::path certificate;
  std::filesystem::path key;
  std::filesystem::path ca;
};

struct RunCertificates {
  CertificateFiles operator_role;
  CertificateFiles server;
  CertificateFiles worker;
};

Result<RunCertificates> make_run_certificates(const std::filesystem::path& folder,
                                              const std::string& name_space,
                                              const std::string& job_uid);

}  // namespace ballast::local
