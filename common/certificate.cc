#include "common/certificate.h"

#include <ctime>

#include "common/checksum.h"
#include "common/openssl.h"

namespace ballast {
namespace {

Result<int64_t> time_of(const ASN1_TIME* time) {
  std::tm broken{};
  if (ASN1_TIME_to_tm(time, &broken) != 1) {
    return openssl::failed(ErrorCode::kCorrupt, "read a certificate's dates");
  }
  return int64_t{timegm(&broken)} * 1000;
}

std::vector<std::string> uris_of(const X509* certificate) {
  const openssl::Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> uris;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_STRING* text = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                      static_cast<size_t>(ASN1_STRING_length(text)));
  }
  return uris;
}

Result<std::string> fingerprint_of(X509* certificate) {
  unsigned char* bytes = nullptr;
  const int size = i2d_X509(certificate, &bytes);
  if (size < 0) return openssl::failed(ErrorCode::kCorrupt, "encode a certificate");
  const std::string hex =
      to_hex(sha256(as_bytes({reinterpret_cast<const char*>(bytes), static_cast<size_t>(size)})));
  OPENSSL_free(bytes);
  return hex;
}

}  // namespace

Result<CertificateFacts> certificate_facts(std::string_view pem) {
  const auto certificate = openssl::read_certificate(pem);
  if (!certificate) return tl::unexpected(certificate.error());
  CertificateFacts facts;
  const auto begins_ms = time_of(X509_get0_notBefore(certificate->get()));
  if (!begins_ms) return tl::unexpected(begins_ms.error());
  const auto ends_ms = time_of(X509_get0_notAfter(certificate->get()));
  if (!ends_ms) return tl::unexpected(ends_ms.error());
  auto fingerprint = fingerprint_of(certificate->get());
  if (!fingerprint) return tl::unexpected(fingerprint.error());
  facts.begins_ms = *begins_ms;
  facts.ends_ms = *ends_ms;
  facts.authority =
      X509_check_ca(certificate->get()) == 1 && X509_self_signed(certificate->get(), 1) == 1;
  facts.uris = uris_of(certificate->get());
  facts.fingerprint = std::move(*fingerprint);
  ERR_clear_error();  // of extensions that are none
  return facts;
}

Result<void> check_key(std::string_view certificate_pem, std::string_view key_pem) {
  const auto certificate = openssl::read_certificate(certificate_pem);
  if (!certificate) return tl::unexpected(certificate.error());
  const auto key = openssl::read_key(key_pem);
  if (!key) return tl::unexpected(key.error());
  return openssl::check_pair(certificate->get(), key->get());
}

}  // namespace ballast
