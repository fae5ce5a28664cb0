// The run's certificates, as the files that its processes get.
#include "operator/local/certificates.h"

#include <sys/stat.h>

#include <gmock/gmock.h>

#include "common/certificate.h"
#include "common/unix_time.h"
#include "tests/certificates/verify.h"
#include "tests/local/temporary_folder.h"

namespace ballast::local {
namespace {

using certificates::As;
using certificates::verdict;
using ::testing::ElementsAre;

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
  for (const auto& row : rows) {
    const auto identity = read_identity(row.files);
    ASSERT_TRUE(identity) << identity.error().message;
    EXPECT_THAT(certificate_facts(identity->own.certificate)->uris, ElementsAre(row.uri));
    EXPECT_TRUE(check_key(identity->own.certificate, identity->own.key));
    EXPECT_EQ(verdict(identity->own.certificate, identity->trusted, unix_now_ms(), As::kClient),
              "ok");
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
  EXPECT_NE(verdict(read_identity(stranger->server)->own.certificate,
                    read_identity(run->server)->trusted, unix_now_ms(), As::kServer),
            "ok");
}

TEST(Certificates, FailWhereTheFolderDoesNotExist) {
  EXPECT_FALSE(make_run_certificates("/nonexistent/folder", "default", "uid-1"));
}

}  // namespace
}  // namespace ballast::local
