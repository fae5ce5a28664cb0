#include "operator/cluster/certificate_authority.h"

#include <utility>

#include "common/base64.h"

namespace ballast::cluster {
namespace {

using certificates::Authority;
using certificates::SecretContent;
using nlohmann::json;

constexpr int64_t kLookAgainMs = 10 * 60'000;
constexpr int64_t kLookAgainAfterFailureMs = 60'000;
constexpr int kRounds = 10;  // of operators that write at once, each time one of them succeeds

json data_of(const Authority& authority) {
  json data = json::object();
  for (const auto& [name, value] : certificates::content_of(authority)) {
    data[name] = encode_base64(value);
  }
  return data;
}

}  // namespace

Result<std::optional<SecretContent>> secret_content(const json& secret) {
  const auto data = secret.find("data");
  if (data == secret.end() || data->is_null()) return std::nullopt;
  if (!data->is_object()) return fail(ErrorCode::kCorrupt, "data is no map");
  SecretContent content;
  for (const auto& [name, value] : data->items()) {
    auto bytes = value.is_string()
                     ? decode_base64(value.get_ref<const std::string&>())
                     : Result<std::string>(fail(ErrorCode::kCorrupt, "found no string"));
    if (!bytes) return fail(ErrorCode::kCorrupt, name + ": " + bytes.error().message);
    content[name] = std::move(*bytes);
  }
  if (content.empty()) return std::nullopt;
  return content;
}

Result<Authority> CertificateAuthority::get() {
  const MutexLock lock(mutex_);
  const int64_t now_ms = options_.unix_now_ms();
  if (known_ && now_ms < look_again_ms_) return *known_;
  auto agreed = agree();
  if (agreed) {
    look_again_ms_ = now_ms + kLookAgainMs;
    known_ = *agreed;
    return agreed;
  }
  if (!known_) return agreed;
  options_.log.warning("the certificate authority cannot be read again",
                       {{"error", agreed.error()}});
  look_again_ms_ = now_ms + kLookAgainAfterFailureMs;
  return *known_;
}

Result<certificates::Identity> CertificateAuthority::identity(const std::string& name_space,
                                                              const std::string& job_uid,
                                                              certificates::Role role) {
  const auto authority = get();
  if (!authority) return tl::unexpected(authority.error());
  return certificates::identity_of(*authority, name_space, job_uid, role, options_.lives,
                                   options_.unix_now_ms());
}

Result<Authority> CertificateAuthority::agree() {
  Result<Authority> last = fail(ErrorCode::kConflict, "");
  for (int round = 0; round < kRounds; ++round) {
    last = try_once();
    if (last) return last;
    const ErrorCode code = last.error().code;
    if (code != ErrorCode::kConflict && code != ErrorCode::kAlreadyExists) break;
  }
  return fail(last.error().code, "the certificate authority in Secret " +
                                     options_.secret.name_space + "/" + options_.secret.name +
                                     ": " + last.error().message);
}

Result<Authority> CertificateAuthority::try_once() {
  const auto found = options_.client->get(kube::kSecrets, options_.secret);
  if (!found && found.error().status != 404) return tl::unexpected(found.error().error);
  std::optional<SecretContent> content;
  if (found) {
    auto read = secret_content(*found->body);
    if (!read) return tl::unexpected(read.error());
    content = std::move(*read);
  }
  if (!content) {
    const auto made = first();
    if (!made) return made;
    return write(found ? std::optional(*found) : std::nullopt, *made);
  }
  auto authority = certificates::read_authority(*content);
  if (!authority) return authority;
  auto moved = certificates::moved_on(*authority, options_.lives, options_.unix_now_ms());
  if (!moved) return tl::unexpected(moved.error());
  return *moved ? write(*found, **moved) : authority;
}

// What is gone by accident is made again as it was.
Result<Authority> CertificateAuthority::first() {
  const int64_t now_ms = options_.unix_now_ms();
  if (known_ && certificates::moved_on(*known_, options_.lives, now_ms)) return *known_;
  return certificates::first_authority(options_.lives, now_ms);
}

Result<Authority> CertificateAuthority::write(const std::optional<kube::Object>& before,
                                              const Authority& authority) {
  json body = {
      {"apiVersion", "v1"},
      {"kind", "Secret"},
      {"type", "Opaque"},
      {"metadata", {{"name", options_.secret.name}, {"namespace", options_.secret.name_space}}}};
  if (before) {
    body = *before->body;
    body["metadata"].erase("managedFields");
  }
  body["data"] = data_of(authority);
  const auto written =
      before ? options_.client->replace(kube::kSecrets, options_.secret, body)
             : options_.client->create(kube::kSecrets, options_.secret.name_space, body);
  if (!written) return tl::unexpected(written.error().error);
  options_.log.info("certificate authority written",
                    {{"secret", options_.secret.name}, {"made", !before.has_value()}});
  return authority;
}

}  // namespace ballast::cluster
