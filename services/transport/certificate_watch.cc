#include "services/transport/certificate_watch.h"

#include <fmt/format.h>

#include "common/file.h"
#include "common/unix_time.h"

namespace ballast {
namespace {

constexpr size_t kMaxPemBytes = size_t{1} << 20;
constexpr int64_t kSoon = 6;  // of so many parts the last: renewals come far earlier

}  // namespace

void log_certificate(const Logger& log, const CertificateNews& news) {
  switch (news.kind) {
    case CertificateNews::Kind::kRead:
      return log.info("certificate read", {{"what", news.text}});
    case CertificateNews::Kind::kEndsSoon:
      return log.warning("our certificate ends soon, and nobody has renewed it",
                         {{"what", news.text}});
    case CertificateNews::Kind::kEnded:
      return log.error("our certificate has ended: others refuse new connections from us",
                       {{"what", news.text}});
    case CertificateNews::Kind::kUnreadable:
      return log.error("our certificate cannot be read again", {{"what", news.text}});
  }
}

std::string describe_life(const CertificateFacts& facts, int64_t unix_now_ms) {
  const std::string whose = facts.uris.empty() ? "nobody" : facts.uris.front();
  const bool begun = unix_now_ms >= facts.begins_ms;
  const char* verb = !begun ? "begins" : unix_now_ms >= facts.ends_ms ? "ended" : "ends";
  return fmt::format("the certificate of {} {} at {}, and now it is {}", whose, verb,
                     human_date(begun ? facts.ends_ms : facts.begins_ms), human_date(unix_now_ms));
}

std::optional<CertificateNews> CertificateWatch::look(int64_t unix_now_ms) {
  using Kind = CertificateNews::Kind;
  if (path_.empty()) return std::nullopt;
  const auto tell = [&](Kind kind, int64_t ends_ms,
                        std::string text) -> std::optional<CertificateNews> {
    if (std::exchange(told_, kind) == kind) return std::nullopt;
    return CertificateNews{kind, ends_ms, std::move(text)};
  };
  const auto text = read_file(path_, kMaxPemBytes);
  if (!text) return tell(Kind::kUnreadable, 0, text.error().message);
  const auto facts = certificate_facts(*text);
  if (!facts) return tell(Kind::kUnreadable, 0, path_ + ": " + facts.error().message);
  if (fingerprint_ != facts->fingerprint) {
    fingerprint_ = facts->fingerprint;
    soon_ms_ = facts->ends_ms - (facts->ends_ms - unix_now_ms) / kSoon;
    told_.reset();
  }
  const Kind kind = unix_now_ms >= facts->ends_ms ? Kind::kEnded
                    : unix_now_ms >= soon_ms_     ? Kind::kEndsSoon
                                                  : Kind::kRead;
  return tell(kind, facts->ends_ms, describe_life(*facts, unix_now_ms));
}

}  // namespace ballast
