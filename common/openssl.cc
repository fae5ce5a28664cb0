#include "common/openssl.h"

namespace ballast::openssl {
namespace {

Buffer buffer_of(std::string_view text) {
  return Buffer(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Without it OpenSSL would ask at the terminal.
int no_password(char*, int, int, void*) { return -1; }

}  // namespace

tl::unexpected<Error> failed(ErrorCode code, const std::string& what) {
  char text[256] = "no reason given";
  if (const unsigned long first = ERR_get_error(); first != 0) {
    ERR_error_string_n(first, text, sizeof text);
  }
  ERR_clear_error();
  return fail(code, "cannot " + what + ": " + text);
}

Result<Certificate> read_certificate(std::string_view pem) {
  const Buffer buffer = buffer_of(pem);
  Certificate read(PEM_read_bio_X509(buffer.get(), nullptr, no_password, nullptr));
  if (read == nullptr) return failed(ErrorCode::kCorrupt, "read a certificate in PEM form");
  return read;
}

Result<Key> read_key(std::string_view pem) {
  const Buffer buffer = buffer_of(pem);
  Key read(PEM_read_bio_PrivateKey(buffer.get(), nullptr, no_password, nullptr));
  if (read == nullptr) return failed(ErrorCode::kCorrupt, "read a key in PEM form");
  return read;
}

Result<void> check_pair(const X509* certificate, const EVP_PKEY* key) {
  if (X509_check_private_key(certificate, key) == 1) return {};
  ERR_clear_error();
  return fail(ErrorCode::kInvalid, "the key is not that of the certificate");
}

}  // namespace ballast::openssl
