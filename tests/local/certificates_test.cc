// The run's certificates, read back with OpenSSL as a peer would.
#include "operator/local/certificates.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cstdio>
#include <memory>

#include <gtest/gtest.h>

#include "tests/local/temporary_folder.h"

namespace ballast::local {
namespace {

using Certificate = std::unique_ptr<X509, decltype(&::X509_free)>;

Certificate read_certificate(const std::filesystem::path& path) {
  std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "r"), &std::fclose);
  return {file == nullptr ? nullptr : PEM_read_X509(file.get(), nullptr, nullptr, nullptr),
          &::X509_free};
}

std::string uri_of(X509* certificate) {
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  std::string uri;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI) continue;
    uri.assign(
        reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.uniformResourceIdentifier)),
        static_cast<size_t>(ASN1_STRING_length(name->d.uniformResourceIdentifier)));
  }
  GENERAL_NAMES_free(names);
  return uri;
}

bool signed_by(X509* certificate, X509* authority) {
  std::unique_ptr<X509_STORE, decltype(&::X509_STORE_free)> store(X509_STORE_new(),
                                                                  &::X509_STORE_free);
  std::unique_ptr<X509_STORE_CTX, decltype(&::X509_STORE_CTX_free)> context(X509_STORE_CTX_new(),
                                                                            &::X509_STORE_CTX_free);
  X509_STORE_add_cert(store.get(), authority);
  X509_STORE_CTX_init(context.get(), store.get(), certificate, nullptr);
  X509_STORE_CTX_set_purpose(context.get(), X509_PURPOSE_SSL_SERVER);
  return X509_verify_cert(context.get()) == 1;
}

TEST(Certificates, SayWhichJobAndRoleTheirOwnerIs) {
  TemporaryFolder folder;
  const auto run = make_run_certificates(folder.path(), "default", "uid-1");
  ASSERT_TRUE(run) << run.error().message;
  const struct {
    const CertificateFiles& files;
    const char* uri;
  } rows[] = {{run->operator_role, "spiffe://ballast/default/uid-1/operator"},
              {run->server, "spiffe://ballast/default/uid-1/server"},
              {run->worker, "spiffe://ballast/default/uid-1/worker"}};
  const Certificate authority = read_certificate(run->server.ca);
  ASSERT_NE(authority, nullptr);
  for (const auto& row : rows) {
    const Certificate certificate = read_certificate(row.files.certificate);
    ASSERT_NE(certificate, nullptr);
    EXPECT_EQ(uri_of(certificate.get()), row.uri);
    EXPECT_TRUE(signed_by(certificate.get(), authority.get())) << row.uri;
    EXPECT_EQ(X509_check_ip_asc(certificate.get(), "127.0.0.1", 0), 1);
    EXPECT_EQ(X509_check_host(certificate.get(), "localhost", 0, 0, nullptr), 1);
    EXPECT_EQ(X509_check_ca(certificate.get()), 0);
    struct stat info {};
    ASSERT_EQ(::stat(row.files.key.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0600U);
  }
}

TEST(Certificates, OfAnotherRunAreNotAccepted) {
  TemporaryFolder folder;
  TemporaryFolder other;
  const auto run = make_run_certificates(folder.path(), "default", "uid-1");
  const auto stranger = make_run_certificates(other.path(), "default", "uid-1");
  ASSERT_TRUE(run && stranger);
  const Certificate authority = read_certificate(run->server.ca);
  const Certificate certificate = read_certificate(stranger->server.certificate);
  EXPECT_FALSE(signed_by(certificate.get(), authority.get()));
}

TEST(Certificates, FailWhereTheFolderDoesNotExist) {
  EXPECT_FALSE(make_run_certificates("/nonexistent/folder", "default", "uid-1"));
}

}  // namespace
}  // namespace ballast::local
