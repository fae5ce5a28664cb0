#include "operator/cluster/job_certificates.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/certificate.h"
#include "common/unix_time.h"
#include "operator/cluster/kept.h"

namespace ballast::cluster {
namespace {

using decide::Process;
using decide::Role;
using decide::TimeMs;

constexpr TimeMs kTryAgainMs = 10'000;
constexpr TimeMs kAuthorityMs = 10 * 60'000;  // between two looks at who signs
constexpr TimeMs kPodStartsWithinMs = 30'000;

certificates::Role certificate_role(Role role) {
  return role == Role::kServer ? certificates::Role::kServer : certificates::Role::kWorker;
}

// A pod that has a node and does not start may miss its Secret, which somebody has removed.
bool may_miss_its_secret(const Process& process, TimeMs written_ms, TimeMs now_ms) {
  return process.state == decide::ProcessState::kStarting && !process.node.empty() &&
         process.address.empty() && process.started_ms >= written_ms &&
         now_ms >= process.started_ms + kPodStartsWithinMs;
}

}  // namespace

Result<void> JobCertificates::keep(const decide::Observed& seen, const kube::Object& packed) {
  if (authority_ == nullptr || seen.deleting || !kube::needs_certificates(seen.job, seen.status)) {
    return {};
  }
  if (!written_) written_ = kube::certificates_of(*unpacked(packed).body);
  const bool have_some = written_.has_value();
  if (have_some && seen.now_ms < try_again_ms_) return {};
  const auto kept = [&]() -> Result<void> {
    const auto due = is_due(seen);
    if (!due) return tl::unexpected(due.error());
    return *due ? write(seen) : Result<void>();
  }();
  if (kept || !have_some) return kept;
  // Its pods go on with what they have, and are looked after.
  log_.warning("the job's certificates are not renewed", {{"error", kept.error()}});
  try_again_ms_ = seen.now_ms + kTryAgainMs;
  return {};
}

Result<bool> JobCertificates::is_due(const decide::Observed& seen) {
  if (!written_ || seen.now_ms >= written_->renew_ms) return true;
  if (std::any_of(seen.processes.begin(), seen.processes.end(), [&](const Process& process) {
        return may_miss_its_secret(process, written_ms_, seen.now_ms);
      })) {
    return true;
  }
  if (seen.now_ms < look_ms_) return false;
  const auto authority = authority_->get();
  if (!authority) return tl::unexpected(authority.error());
  const auto believed = certificates::believes(*authority, written_->signer);
  if (!believed) return tl::unexpected(believed.error());
  look_ms_ = seen.now_ms + kAuthorityMs;
  return !*believed;
}

Result<void> JobCertificates::write(const decide::Observed& seen) {
  const auto authority = authority_->get();
  if (!authority) return tl::unexpected(authority.error());
  const auto signer = certificates::signer_of(*authority);
  if (!signer) return tl::unexpected(signer.error());
  constexpr std::array kRoles = {Role::kServer, Role::kWorker};
  std::array<certificates::Identity, kRoles.size()> identities;
  TimeMs end_ms = 0;
  for (size_t i = 0; i < kRoles.size(); ++i) {
    auto identity =
        certificates::identity_of(*authority, seen.job.metadata.name_space, seen.job.metadata.uid,
                                  certificate_role(kRoles[i]), authority_->lives(), seen.now_ms);
    if (!identity) return tl::unexpected(identity.error());
    const auto facts = certificate_facts(identity->own.certificate);
    if (!facts) return tl::unexpected(facts.error());
    end_ms = facts->ends_ms;
    identities[i] = std::move(*identity);
  }
  const auto write = [&](size_t i) { return write_secret(seen.job, kRoles[i], identities[i]); };
  const auto done =
      parallel_->for_each(kRoles.size(), write, {seen.job.metadata.name_space, kFirstAtOnce, {}});
  if (!done) return done;
  written_ = kube::CertificatesStatus{
      end_ms, kube::renewal_of(seen.now_ms, end_ms, seen.job.metadata.uid), *signer};
  untold_ = written_;
  written_ms_ = seen.now_ms;
  look_ms_ = seen.now_ms + kAuthorityMs;
  log_.info("certificates written", {{"until", human_date(end_ms)}, {"signer", *signer}});
  return {};
}

// Not by force: a Secret of that name whose fields are somebody else's is left alone.
Result<void> JobCertificates::write_secret(const api::TrainingJob& job, Role role,
                                           const certificates::Identity& identity) {
  const std::string name = kube::tls_secret_name(job, role);
  const auto written = client_->apply(
      kube::kSecrets, {job.metadata.name_space, name},
      kube::tls_secret(job, role, identity.own.certificate, identity.own.key, identity.trusted),
      false);
  if (written) return {};
  return fail(written.error().error.code, "Secret " + name + ": " + written.error().error.message);
}

std::optional<local::ControlTls> control_tls(std::shared_ptr<CertificateAuthority> authority,
                                             const api::TrainingJob& job) {
  if (authority == nullptr || job.spec.trusted_network) return std::nullopt;
  const std::string& name_space = job.metadata.name_space;
  const std::string& uid = job.metadata.uid;
  return local::ControlTls{
      [authority = std::move(authority), name_space, uid] {
        return authority->identity(name_space, uid, certificates::Role::kOperator);
      },
      certificates::identity_uri(name_space, uid, certificates::Role::kServer)};
}

}  // namespace ballast::cluster
