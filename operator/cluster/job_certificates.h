// The certificates of one job's pods: written to their Secrets before any pod needs them, and again
// in good time before they end. What it knows of them stands in the job's status, once whoever
// writes that has told; where an older schema drops it, it is known as long as this lives. Were
// they never told, the next operator would write others. One turn at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/log.h"
#include "operator/cluster/certificate_authority.h"
#include "operator/cluster/parallel.h"
#include "operator/core/job_secrets.h"
#include "operator/core/observed.h"
#include "operator/kube/client.h"
#include "operator/local/control_client.h"

namespace ballast::cluster {

class JobCertificates {
 public:
  // `authority` null: nobody gets any.
  JobCertificates(std::shared_ptr<kube::KubeClient> client, std::shared_ptr<Parallel> parallel,
                  std::shared_ptr<CertificateAuthority> authority, Logger log)
      : client_(std::move(client)),
        parallel_(std::move(parallel)),
        authority_(std::move(authority)),
        log_(std::move(log)) {}

  // Does what is due. An error: its pods have none, and cannot be made; a renewal that fails is
  // told in the log and tried again.
  Result<void> keep(const decide::Observed& seen, const kube::Object& packed);

  // What the job's status is to tell with its next write; nothing: it tells all.
  const std::optional<kube::CertificatesStatus>& untold() const { return untold_; }
  void told() { untold_.reset(); }

 private:
  Result<bool> is_due(const decide::Observed& seen);
  Result<void> write(const decide::Observed& seen);
  Result<void> write_secret(const api::TrainingJob& job, decide::Role role,
                            const certificates::Identity& identity);

  const std::shared_ptr<kube::KubeClient> client_;
  const std::shared_ptr<Parallel> parallel_;
  const std::shared_ptr<CertificateAuthority> authority_;
  const Logger log_;
  std::optional<kube::CertificatesStatus> written_;
  std::optional<kube::CertificatesStatus> untold_;
  decide::TimeMs written_ms_ = 0;    // by us
  decide::TimeMs look_ms_ = 0;       // then at who signs
  decide::TimeMs try_again_ms_ = 0;  // after a failure
};

// Of our own sessions with the job's servers; nothing where the job trusts its network.
std::optional<local::ControlTls> control_tls(std::shared_ptr<CertificateAuthority> authority,
                                             const api::TrainingJob& job);

}  // namespace ballast::cluster
