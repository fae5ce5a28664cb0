// The certificate authority of one local run over TCP: made in memory, used once for each role, and
// forgotten; its key is never written. Stateless.
#pragma once

#include <filesystem>
#include <string>

#include "common/error.h"
#include "operator/certificates/issue.h"

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

// For this machine only.
Result<RunCertificates> make_run_certificates(const std::filesystem::path& folder,
                                              const std::string& name_space,
                                              const std::string& job_uid);

Result<CertificateFiles> write_identity(const std::filesystem::path& folder,
                                        const std::string& name,
                                        const certificates::Identity& identity);
Result<certificates::Identity> read_identity(const CertificateFiles& files);

}  // namespace ballast::local
