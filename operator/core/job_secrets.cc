#include "operator/core/job_secrets.h"

#include "common/base64.h"
#include "common/checksum.h"
#include "operator/core/advance.h"
#include "operator/core/pod_template.h"
#include "operator/core/time_text.h"

namespace ballast::kube {
namespace {

using nlohmann::json;

constexpr const char* kCertificates = "certificates";  // in status

std::string text_at(const json& map, const char* key) {
  const auto found = map.find(key);
  return found != map.end() && found->is_string() ? found->get<std::string>() : "";
}

const json* find_certificates(const json& job) {
  const auto status = job.find("status");
  if (status == job.end() || !status->is_object()) return nullptr;
  const auto found = status->find(kCertificates);
  return found != status->end() && found->is_object() ? &*found : nullptr;
}

}  // namespace

std::string tls_secret_name(const api::TrainingJob& job, decide::Role role) {
  return job.metadata.name + (role == decide::Role::kServer ? "-ps-tls" : "-worker-tls");
}

json tls_secret(const api::TrainingJob& job, decide::Role role, const std::string& certificate,
                const std::string& key, const std::string& trusted) {
  return {{"apiVersion", "v1"},
          {"kind", "Secret"},
          {"type", "kubernetes.io/tls"},
          {"metadata",
           {{"name", tls_secret_name(job, role)},
            {"namespace", job.metadata.name_space},
            {"labels", {{kJobLabel, job.metadata.name}}},
            {"ownerReferences", owner_of(job)}}},
          {"data",
           {{"tls.crt", encode_base64(certificate)},
            {"tls.key", encode_base64(key)},
            {"ca.crt", encode_base64(trusted)}}}};
}

bool needs_certificates(const api::TrainingJob& job, const api::TrainingJobStatus& status) {
  return !job.spec.trusted_network && !job.spec.suspend &&
         !decide::is_true(status, api::ConditionType::kSucceeded) &&
         !decide::is_true(status, api::ConditionType::kFailed);
}

std::optional<CertificatesStatus> certificates_of(const json& job) {
  const json* found = find_certificates(job);
  if (found == nullptr) return std::nullopt;
  const auto end_ms = parse_time(text_at(*found, "expirationTime"));
  const auto renew_ms = parse_time(text_at(*found, "renewalTime"));
  const std::string signer = text_at(*found, "signer");
  if (!end_ms || !renew_ms || signer.empty()) return std::nullopt;
  return CertificatesStatus{*end_ms, *renew_ms, signer};
}

json with_certificates(json job, const CertificatesStatus& written) {
  job["status"][kCertificates] = {{"expirationTime", format_time(written.end_ms)},
                                  {"renewalTime", format_time(written.renew_ms)},
                                  {"signer", written.signer}};
  return job;
}

void keep_certificates(const json& job_before, json& status) {
  if (const json* found = find_certificates(job_before)) status[kCertificates] = *found;
}

decide::TimeMs renewal_of(decide::TimeMs now_ms, decide::TimeMs end_ms,
                          const std::string& job_uid) {
  constexpr int64_t kSteps = 1024;
  const auto step = static_cast<int64_t>(xxh3_64(as_bytes(job_uid)) % kSteps);
  const decide::TimeMs life_ms = end_ms - now_ms;
  return now_ms + life_ms / 2 + life_ms / 10 * step / kSteps;
}

}  // namespace ballast::kube
