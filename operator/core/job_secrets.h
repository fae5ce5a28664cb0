// The certificates of a job's pods as objects of the API: one Secret a role, and what status tells
// of them. The operator writes these Secrets and reads none: what it must know later stands in
// status.certificates. Pure functions.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "operator/api/status.h"
#include "operator/core/observed.h"

namespace ballast::kube {

inline constexpr const char* kTlsFolder = "/etc/ballast-tls";  // in pods

// "<job>-ps-tls", "<job>-worker-tls"
std::string tls_secret_name(const api::TrainingJob& job, decide::Role role);

// `trusted`: whose certificates its owner shall believe.
nlohmann::json tls_secret(const api::TrainingJob& job, decide::Role role,
                          const std::string& certificate, const std::string& key,
                          const std::string& trusted);

// Whether its processes need certificates now.
bool needs_certificates(const api::TrainingJob& job, const api::TrainingJobStatus& status);

// Of those that were written last.
struct CertificatesStatus {
  decide::TimeMs end_ms = 0;
  decide::TimeMs renew_ms = 0;
  std::string signer;  // which key of the authority

  bool operator==(const CertificatesStatus&) const = default;
};
// Nothing: there are none yet, or what is there cannot be read; then new ones are made.
std::optional<CertificatesStatus> certificates_of(const nlohmann::json& job);
// The job with that in its status.
nlohmann::json with_certificates(nlohmann::json job, const CertificatesStatus& written);
// Into a status that is made anew from what else is known.
void keep_certificates(const nlohmann::json& job_before, nlohmann::json& status);

// When those that are made now are to be renewed: once half of their life is over, or somewhat
// later, so that jobs that began together do not renew together. More than a third of it is left.
decide::TimeMs renewal_of(decide::TimeMs now_ms, decide::TimeMs end_ms, const std::string& job_uid);

}  // namespace ballast::kube
