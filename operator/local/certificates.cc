#include "operator/local/certificates.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

#include "common/file.h"

namespace ballast::local {
namespace {

constexpr long kBackdateSeconds = 60;  // clocks of one machine, but who knows
constexpr long kLifeSeconds = 365L * 24 * 3600;

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

struct Identity {
  Key key;
  Certificate certificate;
};

tl::unexpected<Error> openssl_error(const std::string& what) {
  char text[256] = "unknown";
  ERR_error_string_n(ERR_get_error(), text, sizeof text);
  return fail(ErrorCode::kInternal, "cannot " + what + ": " + text);
}

bool add_extension(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool set_serial(X509* certificate) {
  uint64_t serial = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) != 1) return false;
  return ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) == 1;
}

// A key with a certificate without extensions, still unsigned.
Result<Identity> make_identity(const std::string& common_name, X509* issuer) {
  Identity identity{Key(EVP_EC_gen("P-256")), Certificate(X509_new())};
  X509* certificate = identity.certificate.get();
  if (identity.key == nullptr || certificate == nullptr) return openssl_error("make a key");
  X509_NAME* subject = X509_get_subject_name(certificate);
  const bool good =
      X509_set_version(certificate, 2) == 1 && set_serial(certificate) &&
      X509_gmtime_adj(X509_getm_notBefore(certificate), -kBackdateSeconds) != nullptr &&
      X509_gmtime_adj(X509_getm_notAfter(certificate), kLifeSeconds) != nullptr &&
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(common_name.c_str()), -1,
                                 -1, 0) == 1 &&
      X509_set_issuer_name(certificate,
                           issuer == nullptr ? subject : X509_get_subject_name(issuer)) == 1 &&
      X509_set_pubkey(certificate, identity.key.get()) == 1;
  if (!good) return openssl_error("fill in a certificate");
  return identity;
}

Result<Identity> make_authority() {
  auto authority = make_identity("ballast run", nullptr);
  if (!authority) return authority;
  X509* certificate = authority->certificate.get();
  const bool good =
      add_extension(certificate, certificate, NID_basic_constraints,
                    "critical,CA:TRUE,pathlen:0") &&
      add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign") &&
      add_extension(certificate, certificate, NID_subject_key_identifier, "hash") &&
      X509_sign(certificate, authority->key.get(), EVP_sha256()) > 0;
  if (!good) return openssl_error("sign the authority's certificate");
  return authority;
}

Result<Identity> make_leaf(const Identity& authority, const std::string& role,
                           const std::string& uri) {
  auto leaf = make_identity("ballast " + role, authority.certificate.get());
  if (!leaf) return leaf;
  X509* certificate = leaf->certificate.get();
  X509* issuer = authority.certificate.get();
  const bool good =
      add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
      add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature") &&
      add_extension(certificate, issuer, NID_ext_key_usage, "serverAuth,clientAuth") &&
      add_extension(certificate, issuer, NID_subject_key_identifier, "hash") &&
      add_extension(certificate, issuer, NID_authority_key_identifier, "keyid") &&
      add_extension(certificate, issuer, NID_subject_alt_name,
                    "URI:" + uri + ",IP:127.0.0.1,IP:::1,DNS:localhost") &&
      X509_sign(certificate, authority.key.get(), EVP_sha256()) > 0;
  if (!good) return openssl_error("sign the certificate of " + role);
  return leaf;
}

std::string text_of(const Buffer& buffer) {
  char* data = nullptr;
  const long bytes = BIO_get_mem_data(buffer.get(), &data);
  return std::string(data, static_cast<size_t>(bytes));
}

Result<void> write_certificate(const std::filesystem::path& path, X509* certificate) {
  const Buffer buffer(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(buffer.get(), certificate) != 1)
    return openssl_error("encode a certificate");
  return write_file_atomically(path, text_of(buffer), 0644);
}

Result<void> write_key(const std::filesystem::path& path, EVP_PKEY* key) {
  const Buffer buffer(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_PrivateKey(buffer.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return openssl_error("encode a key");
  }
  return write_file_atomically(path, text_of(buffer), 0600);
}

}  // namespace

Result<RunCertificates> make_run_certificates(const std::filesystem::path& folder,
                                              const std::string& name_space,
                                              const std::string& job_uid) {
  auto authority = make_authority();
  if (!authority) return tl::unexpected(authority.error());
  const std::filesystem::path ca = folder / "ca.pem";
  if (auto written = write_certificate(ca, authority->certificate.get()); !written) {
    return tl::unexpected(written.error());
  }
  RunCertificates run;
  for (auto& [role, files] :
       {std::pair<std::string, CertificateFiles*>{"operator", &run.operator_role},
        {"server", &run.server},
        {"worker", &run.worker}}) {
    auto leaf =
        make_leaf(*authority, role, "spiffe://ballast/" + name_space + "/" + job_uid + "/" + role);
    if (!leaf) return tl::unexpected(leaf.error());
    *files = {folder / (role + ".pem"), folder / (role + "-key.pem"), ca};
    auto written = write_key(files->key, leaf->key.get());
    if (written) written = write_certificate(files->certificate, leaf->certificate.get());
    if (!written) return tl::unexpected(written.error());
  }
  return run;
}

}  // namespace ballast::local
