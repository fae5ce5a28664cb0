// Certificates for tests of the transport: authorities, and files of leaves of any role, job and
// life, which can be written again in their place. Used by one thread.
#pragma once

#include <filesystem>
#include <string>

#include "common/unix_time.h"
#include "operator/certificates/issue.h"
#include "operator/local/certificates.h"
#include "services/transport/security.h"

namespace ballast {

inline constexpr int64_t kHourMs = int64_t{3600} * 1000;

inline certificates::KeyPair test_authority() {
  const int64_t now_ms = unix_now_ms();
  return certificates::make_authority("test", {now_ms - kHourMs, now_ms + 24 * kHourMs}).value();
}

struct Leaf {
  certificates::Role role = certificates::Role::kServer;
  std::string job = "job";
  int64_t life_ms = kHourMs;  // from now on
  std::string uri = {};       // empty: that of role and job
};

inline certificates::Identity identity_for(const certificates::KeyPair& authority, const Leaf& leaf,
                                           const std::string& also_trusted = {}) {
  const int64_t now_ms = unix_now_ms();
  const std::string uri =
      leaf.uri.empty() ? certificates::identity_uri("default", leaf.job, leaf.role) : leaf.uri;
  return {certificates::issue(authority,
                              {leaf.role, uri, {now_ms - kHourMs, now_ms + leaf.life_ms}, false})
              .value(),
          authority.certificate + also_trusted};
}

// In a folder of their own below `folder`, made or written again.
inline Security write_files(const std::filesystem::path& folder, const std::string& name,
                            const certificates::Identity& identity) {
  std::filesystem::create_directories(folder / name);
  const auto files = local::write_identity(folder / name, "tls", identity).value();
  return {.tls_certificate = files.certificate,
          .tls_key = files.key,
          .tls_ca = files.ca,
          .trusted_network = false};
}

}  // namespace ballast
