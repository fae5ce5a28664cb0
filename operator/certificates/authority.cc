#include "operator/certificates/authority.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/certificate.h"
#include "common/random_id.h"
#include "common/unix_time.h"

namespace ballast::certificates {
namespace {

constexpr int64_t kHourMs = int64_t{3600} * 1000;
constexpr int64_t kBackdateMs = kHourMs;  // for clocks that are behind ours
constexpr int64_t kYearMs = int64_t{365} * 24 * kHourMs;
constexpr size_t kSignerDigits = 16;

std::string entry(const SecretContent& content, const std::string& name) {
  const auto found = content.find(name);
  return found == content.end() ? "" : found->second;
}

tl::unexpected<Error> corrupt(const std::string& name, const std::string& what) {
  return fail(ErrorCode::kCorrupt, name + ": " + what);
}

Result<void> check_authority_certificate(const std::string& name, const std::string& certificate) {
  const auto facts = certificate_facts(certificate);
  if (!facts) return corrupt(name, facts.error().message);
  if (!facts->authority) {
    return corrupt(name, "found a certificate that does not sign itself, or may not sign others");
  }
  return {};
}

// Of "<name>.crt" and "<name>.key".
Result<KeyPair> read_pair(const SecretContent& content, const std::string& name) {
  KeyPair pair{entry(content, name + ".crt"), entry(content, name + ".key")};
  if (pair.certificate.empty()) return corrupt(name + ".crt", "there is none");
  if (pair.key.empty()) return corrupt(name + ".key", "there is none");
  if (auto sound = check_authority_certificate(name + ".crt", pair.certificate); !sound) {
    return tl::unexpected(sound.error());
  }
  if (auto sound = check_key(pair.certificate, pair.key); !sound) {
    return corrupt(name + ".key", sound.error().message);
  }
  return pair;
}

Result<KeyPair> new_pair(const Lives& lives, int64_t now_ms) {
  return make_authority(fmt::format("ballast authority {:016x}", random_id()),
                        {now_ms - kBackdateMs, now_ms + lives.authority_ms});
}

}  // namespace

SecretContent content_of(const Authority& authority) {
  SecretContent content{{"tls.crt", authority.current.certificate},
                        {"tls.key", authority.current.key}};
  if (authority.next) {
    content["next.crt"] = authority.next->certificate;
    content["next.key"] = authority.next->key;
  }
  if (!authority.previous.empty()) content["previous.crt"] = authority.previous;
  return content;
}

Result<Authority> read_authority(const SecretContent& content) {
  Authority authority;
  auto current = read_pair(content, "tls");
  if (!current) return tl::unexpected(current.error());
  authority.current = std::move(*current);
  if (!entry(content, "next.crt").empty() || !entry(content, "next.key").empty()) {
    auto next = read_pair(content, "next");
    if (!next) return tl::unexpected(next.error());
    authority.next = std::move(*next);
  }
  authority.previous = entry(content, "previous.crt");
  if (!authority.previous.empty()) {
    if (auto sound = check_authority_certificate("previous.crt", authority.previous); !sound) {
      return tl::unexpected(sound.error());
    }
  }
  return authority;
}

Result<Authority> first_authority(const Lives& lives, int64_t now_ms) {
  auto pair = new_pair(lives, now_ms);
  if (!pair) return tl::unexpected(pair.error());
  return Authority{std::move(*pair), std::nullopt, ""};
}

Result<std::optional<Authority>> moved_on(const Authority& authority, const Lives& lives,
                                          int64_t now_ms) {
  const auto current = certificate_facts(authority.current.certificate);
  if (!current) return tl::unexpected(current.error());
  if (now_ms < current->begins_ms) {
    return fail(ErrorCode::kInvalid, "the authority begins at " + human_date(current->begins_ms) +
                                         ", and by our clock it is " + human_date(now_ms));
  }
  if (authority.next) {
    const auto next = certificate_facts(authority.next->certificate);
    if (!next) return tl::unexpected(next.error());
    // By then everybody who renews has seen it, twice.
    const bool seen = now_ms >= next->begins_ms + kBackdateMs + 2 * lives.leaf_ms;
    if (now_ms < next->ends_ms && (seen || now_ms >= current->ends_ms)) {
      return Authority{*authority.next, std::nullopt, authority.current.certificate};
    }
  }
  if (now_ms >= current->ends_ms) {
    return fail(ErrorCode::kInvalid,
                "the authority has ended at " + human_date(current->ends_ms) +
                    "; no certificate is made until somebody removes its data, which makes a new "
                    "authority that running jobs do not know");
  }
  const int64_t warning_ms = std::min(kYearMs, (current->ends_ms - current->begins_ms) / 3);
  if (authority.next || now_ms < current->ends_ms - warning_ms) return std::nullopt;
  Authority grown = authority;
  auto next = new_pair(lives, now_ms);
  if (!next) return tl::unexpected(next.error());
  grown.next = std::move(*next);
  return grown;
}

std::string trusted_by(const Authority& authority) {
  std::string trusted = authority.current.certificate;
  // Whoever edits a Secret by hand may have lost the last line's end.
  if (authority.next) trusted += "\n" + authority.next->certificate;
  if (!authority.previous.empty()) trusted += "\n" + authority.previous;
  return trusted;
}

Result<std::string> signer_of(const Authority& authority) {
  const auto facts = certificate_facts(authority.current.certificate);
  if (!facts) return tl::unexpected(facts.error());
  return facts->fingerprint.substr(0, kSignerDigits);
}

Result<bool> believes(const Authority& authority, const std::string& signer) {
  const auto current = signer_of(authority);
  if (!current) return tl::unexpected(current.error());
  if (*current == signer) return true;
  if (authority.previous.empty()) return false;
  const auto previous = certificate_facts(authority.previous);
  if (!previous) return tl::unexpected(previous.error());
  return previous->fingerprint.substr(0, kSignerDigits) == signer;
}

Result<Identity> identity_of(const Authority& authority, const std::string& name_space,
                             const std::string& job_uid, Role role, const Lives& lives,
                             int64_t now_ms) {
  const auto facts = certificate_facts(authority.current.certificate);
  if (!facts) return tl::unexpected(facts.error());
  const Life life{now_ms - kBackdateMs, std::min(now_ms + lives.leaf_ms, facts->ends_ms)};
  auto own = issue(authority.current, {role, identity_uri(name_space, job_uid, role), life, false});
  if (!own) return tl::unexpected(own.error());
  return Identity{std::move(*own), trusted_by(authority)};
}

}  // namespace ballast::certificates
