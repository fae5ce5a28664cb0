// The authority that signs for the jobs of a cluster: in one Secret of the operator's namespace,
// which is read and written by its name alone. Several operators agree on it by compare-and-swap:
// made where the Secret is missing or empty, moved on as the years go, and never written over where
// it cannot be read.
//
// While this process lives it goes on with what it has read, also where the API server does not
// answer; a Secret that somebody has removed meanwhile is made again from that. Any thread; calls
// may wait for the API server.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/log.h"
#include "common/mutex.h"
#include "operator/certificates/authority.h"
#include "operator/kube/client.h"

namespace ballast::cluster {

struct AuthorityOptions {
  std::shared_ptr<kube::KubeClient> client;
  kube::ObjectName secret;
  certificates::Lives lives;
  std::function<int64_t()> unix_now_ms;
  Logger log;
};

class CertificateAuthority {
 public:
  explicit CertificateAuthority(AuthorityOptions options) : options_(std::move(options)) {}

  // As it stands, read again every few minutes.
  Result<certificates::Authority> get();

  // A new key with a certificate that get() signs.
  Result<certificates::Identity> identity(const std::string& name_space, const std::string& job_uid,
                                          certificates::Role role);
  const certificates::Lives& lives() const { return options_.lives; }

 private:
  Result<certificates::Authority> agree() BALLAST_REQUIRES(mutex_);
  // kConflict, kAlreadyExists: somebody else was faster.
  Result<certificates::Authority> try_once() BALLAST_REQUIRES(mutex_);
  Result<certificates::Authority> first() BALLAST_REQUIRES(mutex_);
  // `before`: what it replaces; nothing: it is made.
  Result<certificates::Authority> write(const std::optional<kube::Object>& before,
                                        const certificates::Authority& authority);

  const AuthorityOptions options_;
  Mutex mutex_;
  std::optional<certificates::Authority> known_ BALLAST_GUARDED_BY(mutex_);
  int64_t look_again_ms_ BALLAST_GUARDED_BY(mutex_) = 0;
};

// The content of a Secret as the API server gives it. Nothing: it has none.
Result<std::optional<certificates::SecretContent>> secret_content(const nlohmann::json& secret);

}  // namespace ballast::cluster
