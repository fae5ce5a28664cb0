#include "operator/certificates/issue.h"

#include <openssl/rand.h>

#include <utility>

#include "common/openssl.h"

namespace ballast::certificates {
namespace {

using openssl::Buffer;
using openssl::Certificate;
using openssl::Key;

// Made, or read again.
struct Pair {
  Key key;
  Certificate certificate;
};

bool add_extension(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const openssl::Extension extension(X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool set_serial(X509* certificate) {
  uint64_t serial = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) != 1) return false;
  return ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) == 1;
}

bool set_life(X509* certificate, const Life& life) {
  return ASN1_TIME_set(X509_getm_notBefore(certificate), life.begins_ms / 1000) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), life.ends_ms / 1000) != nullptr;
}

// A new key with a certificate without extensions, still unsigned. `issuer` empty: itself.
Result<Pair> make_pair(const std::string& common_name, const Life& life, X509* issuer) {
  Pair pair{Key(EVP_EC_gen("P-256")), Certificate(X509_new())};
  X509* certificate = pair.certificate.get();
  if (pair.key == nullptr || certificate == nullptr) {
    return openssl::failed(ErrorCode::kInternal, "make a key");
  }
  X509_NAME* subject = X509_get_subject_name(certificate);
  const bool good =
      X509_set_version(certificate, 2) == 1 && set_serial(certificate) &&
      set_life(certificate, life) &&
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(common_name.c_str()), -1,
                                 -1, 0) == 1 &&
      X509_set_issuer_name(certificate,
                           issuer == nullptr ? subject : X509_get_subject_name(issuer)) == 1 &&
      X509_set_pubkey(certificate, pair.key.get()) == 1;
  if (!good) return openssl::failed(ErrorCode::kInternal, "fill in a certificate");
  return pair;
}

std::string text_of(const Buffer& buffer) {
  char* data = nullptr;
  const long bytes = BIO_get_mem_data(buffer.get(), &data);
  return std::string(data, static_cast<size_t>(bytes));
}

Result<KeyPair> to_pem(const Pair& pair) {
  const Buffer certificate(BIO_new(BIO_s_mem()));
  const Buffer key(BIO_new(BIO_s_secmem()));
  const bool good = PEM_write_bio_X509(certificate.get(), pair.certificate.get()) == 1 &&
                    PEM_write_bio_PrivateKey(key.get(), pair.key.get(), nullptr, nullptr, 0,
                                             nullptr, nullptr) == 1;
  if (!good) return openssl::failed(ErrorCode::kInternal, "encode a key with its certificate");
  return KeyPair{text_of(certificate), text_of(key)};
}

Result<Pair> from_pem(const KeyPair& text) {
  auto certificate = openssl::read_certificate(text.certificate);
  if (!certificate) return tl::unexpected(certificate.error());
  auto key = openssl::read_key(text.key);
  if (!key) return tl::unexpected(key.error());
  if (auto sound = openssl::check_pair(certificate->get(), key->get()); !sound) {
    return tl::unexpected(sound.error());
  }
  return Pair{std::move(*key), std::move(*certificate)};
}

// Servers call each other.
const char* usage_of(Role role) {
  return role == Role::kServer ? "serverAuth,clientAuth" : "clientAuth";
}

}  // namespace

const char* to_string(Role role) {
  return role == Role::kOperator ? "operator" : role == Role::kServer ? "server" : "worker";
}

std::string identity_uri(const std::string& name_space, const std::string& job_uid, Role role) {
  return "spiffe://ballast/" + name_space + "/" + job_uid + "/" + to_string(role);
}

Result<KeyPair> make_authority(const std::string& name, const Life& life) {
  auto made = make_pair(name, life, nullptr);
  if (!made) return tl::unexpected(made.error());
  X509* certificate = made->certificate.get();
  const bool good =
      add_extension(certificate, certificate, NID_basic_constraints,
                    "critical,CA:TRUE,pathlen:0") &&
      add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign") &&
      add_extension(certificate, certificate, NID_subject_key_identifier, "hash") &&
      X509_sign(certificate, made->key.get(), EVP_sha256()) > 0;
  if (!good) return openssl::failed(ErrorCode::kInternal, "sign an authority's certificate");
  return to_pem(*made);
}

Result<KeyPair> issue(const KeyPair& authority, const IssueRequest& request) {
  const auto signer = from_pem(authority);
  if (!signer) return tl::unexpected(signer.error());
  X509* issuer = signer->certificate.get();
  auto leaf = make_pair(std::string("ballast ") + to_string(request.role), request.life, issuer);
  if (!leaf) return tl::unexpected(leaf.error());
  X509* certificate = leaf->certificate.get();
  std::string names = "URI:" + request.uri;
  if (request.this_machine) names += ",IP:127.0.0.1,IP:::1,DNS:localhost";
  const bool good =
      add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
      add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature") &&
      add_extension(certificate, issuer, NID_ext_key_usage, usage_of(request.role)) &&
      add_extension(certificate, issuer, NID_subject_key_identifier, "hash") &&
      add_extension(certificate, issuer, NID_authority_key_identifier, "keyid") &&
      add_extension(certificate, issuer, NID_subject_alt_name, names) &&
      X509_sign(certificate, signer->key.get(), EVP_sha256()) > 0;
  if (!good) {
    return openssl::failed(ErrorCode::kInternal,
                           std::string("sign a certificate of a ") + to_string(request.role));
  }
  return to_pem(*leaf);
}

}  // namespace ballast::certificates
