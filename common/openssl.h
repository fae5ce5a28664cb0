// Who frees what OpenSSL makes, and what it says when it fails. For the few files that use it: the
// thread's queue of errors is left empty, since the next user of the thread would take what is in
// there for its own.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "common/error.h"

namespace ballast::openssl {

template <auto free_function>
struct Free {
  template <typename T>
  void operator()(T* value) const {
    free_function(value);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Buffer = std::unique_ptr<BIO, Free<BIO_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>>;

// "cannot <what>: <the first of OpenSSL's reasons>"
tl::unexpected<Error> failed(ErrorCode code, const std::string& what);

// The first of its kind in a PEM text. Keys with a password are refused.
Result<Certificate> read_certificate(std::string_view pem);
Result<Key> read_key(std::string_view pem);

// kInvalid: the key is another's.
Result<void> check_pair(const X509* certificate, const EVP_PKEY* key);

}  // namespace ballast::openssl
