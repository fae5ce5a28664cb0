// Whether OpenSSL would let somebody in, as a TLS handshake asks it. Pure functions.
#pragma once

#include <string>

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/openssl.h"

namespace ballast::certificates {

enum class As { kServer, kClient };

// What OpenSSL says: "ok", "certificate has expired", ...
inline std::string verdict(const std::string& certificate, const std::string& trusted,
                           int64_t now_ms, As as) {
  using Store = std::unique_ptr<X509_STORE, openssl::Free<X509_STORE_free>>;
  using Context = std::unique_ptr<X509_STORE_CTX, openssl::Free<X509_STORE_CTX_free>>;
  const openssl::Certificate leaf = openssl::read_certificate(certificate).value();
  const Store store(X509_STORE_new());
  const openssl::Buffer buffer(BIO_new_mem_buf(trusted.data(), static_cast<int>(trusted.size())));
  while (X509* authority = PEM_read_bio_X509(buffer.get(), nullptr, nullptr, nullptr)) {
    X509_STORE_add_cert(store.get(), authority);
    X509_free(authority);
  }
  ERR_clear_error();  // the end of the text
  const Context context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), leaf.get(), nullptr);
  X509_STORE_CTX_set_default(context.get(), as == As::kServer ? "ssl_server" : "ssl_client");
  X509_STORE_CTX_set_time(context.get(), 0, now_ms / 1000);
  if (X509_verify_cert(context.get()) == 1) return "ok";
  return X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
}

}  // namespace ballast::certificates
