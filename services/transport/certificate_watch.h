// Follows the file of our own certificate, and tells once when it is read or was renewed, when it
// will end soon and nobody has renewed it, and when it has ended, so that others refuse us. One
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "common/certificate.h"
#include "common/log.h"

namespace ballast {

struct CertificateNews {
  enum class Kind { kRead, kEndsSoon, kEnded, kUnreadable };
  Kind kind = Kind::kRead;
  int64_t ends_ms = 0;  // since 1970; 0: not known
  std::string text;
};
void log_certificate(const Logger& log, const CertificateNews& news);

class CertificateWatch {
 public:
  // `path` empty: there is none, and never any news.
  explicit CertificateWatch(std::string path) : path_(std::move(path)) {}

  std::optional<CertificateNews> look(int64_t unix_now_ms);

 private:
  std::string path_;
  std::string fingerprint_;  // of what was read last
  int64_t soon_ms_ = 0;      // from then on it should have been renewed
  std::optional<CertificateNews::Kind> told_;
};

// "the certificate of spiffe://... ended at 2026-01-31 12:00:00 UTC, and now it is ..."
std::string describe_life(const CertificateFacts& facts, int64_t unix_now_ms);

}  // namespace ballast
