#include "operator/local/certificates.h"

#include <utility>

#include "common/file.h"
#include "common/unix_time.h"

namespace ballast::local {
namespace {

constexpr int64_t kBackdateMs = 60'000;  // clocks of one machine, but who knows
constexpr int64_t kLifeMs = int64_t{365} * 24 * 3600 * 1000;
constexpr uint64_t kMaxPemBytes = uint64_t{1} << 20;

certificates::Life life_from_now() {
  const int64_t now_ms = unix_now_ms();
  return {now_ms - kBackdateMs, now_ms + kLifeMs};
}

}  // namespace

Result<CertificateFiles> write_identity(const std::filesystem::path& folder,
                                        const std::string& name,
                                        const certificates::Identity& identity) {
  const CertificateFiles files{folder / (name + ".pem"), folder / (name + "-key.pem"),
                               folder / "ca.pem"};
  auto written = write_file_atomically(files.ca, identity.trusted, 0644);
  if (written) written = write_file_atomically(files.key, identity.own.key, 0600);
  if (written) written = write_file_atomically(files.certificate, identity.own.certificate, 0644);
  if (!written) return tl::unexpected(written.error());
  return files;
}

Result<certificates::Identity> read_identity(const CertificateFiles& files) {
  certificates::Identity identity;
  for (const auto& [path, into] : {std::pair{&files.ca, &identity.trusted},
                                   {&files.key, &identity.own.key},
                                   {&files.certificate, &identity.own.certificate}}) {
    auto text = read_file(*path, kMaxPemBytes);
    if (!text) return tl::unexpected(text.error());
    *into = std::move(*text);
  }
  return identity;
}

Result<RunCertificates> make_run_certificates(const std::filesystem::path& folder,
                                              const std::string& name_space,
                                              const std::string& job_uid) {
  const auto authority = certificates::make_authority("ballast run", life_from_now());
  if (!authority) return tl::unexpected(authority.error());
  RunCertificates run;
  for (const auto& [role, files] : {std::pair{certificates::Role::kOperator, &run.operator_role},
                                    {certificates::Role::kServer, &run.server},
                                    {certificates::Role::kWorker, &run.worker}}) {
    auto own = certificates::issue(
        *authority, {role, certificates::identity_uri(name_space, job_uid, role), life_from_now(),
                     /*this_machine=*/true});
    if (!own) return tl::unexpected(own.error());
    auto written = write_identity(folder, certificates::to_string(role),
                                  {std::move(*own), authority->certificate});
    if (!written) return tl::unexpected(written.error());
    *files = std::move(*written);
  }
  return run;
}

}  // namespace ballast::local
