// What is issued, read back with OpenSSL as a peer would.
#include "operator/certificates/issue.h"

#include <gmock/gmock.h>

#include "common/certificate.h"
#include "tests/certificates/verify.h"

namespace ballast::certificates {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kDayMs = int64_t{24} * 3600 * 1000;
constexpr int64_t kNowMs = int64_t{20'000} * kDayMs;
constexpr Life kYear = {kNowMs, kNowMs + 365 * kDayMs};
constexpr Life kWeek = {kNowMs, kNowMs + 7 * kDayMs};

TEST(Issue, SaysWhoItsOwnerIsAndWhatItMayDo) {
  const KeyPair authority = make_authority("test", kYear).value();
  const struct {
    Role role;
    const char* uri;
    const char* as_server;
    const char* as_client;
  } rows[] = {
      {Role::kOperator, "spiffe://ballast/n/u/operator", "unsuitable certificate purpose", "ok"},
      {Role::kServer, "spiffe://ballast/n/u/server", "ok", "ok"},
      {Role::kWorker, "spiffe://ballast/n/u/worker", "unsuitable certificate purpose", "ok"}};
  for (const auto& row : rows) {
    const auto made = issue(authority, {row.role, identity_uri("n", "u", row.role), kWeek});
    ASSERT_TRUE(made) << made.error().message;
    const auto facts = certificate_facts(made->certificate);
    ASSERT_TRUE(facts) << facts.error().message;
    EXPECT_THAT(facts->uris, ElementsAre(row.uri));
    EXPECT_EQ(facts->begins_ms, kWeek.begins_ms);
    EXPECT_EQ(facts->ends_ms, kWeek.ends_ms);
    EXPECT_FALSE(facts->authority);
    EXPECT_TRUE(check_key(made->certificate, made->key));
    EXPECT_EQ(verdict(made->certificate, authority.certificate, kNowMs, As::kServer),
              row.as_server);
    EXPECT_EQ(verdict(made->certificate, authority.certificate, kNowMs, As::kClient),
              row.as_client);
  }
}

TEST(Issue, IsRefusedOutsideOfItsLifeAndByAnotherAuthority) {
  const KeyPair authority = make_authority("test", kYear).value();
  const KeyPair stranger = make_authority("test", kYear).value();
  const KeyPair made =
      issue(authority, {Role::kServer, "spiffe://ballast/n/u/server", kWeek}).value();
  const auto at = [&](int64_t now_ms) {
    return verdict(made.certificate, authority.certificate, now_ms, As::kServer);
  };
  EXPECT_EQ(at(kNowMs - 1000), "certificate is not yet valid");
  EXPECT_EQ(at(kNowMs), "ok");
  EXPECT_EQ(at(kWeek.ends_ms - 1000), "ok");
  EXPECT_EQ(at(kWeek.ends_ms), "certificate has expired");
  EXPECT_NE(verdict(made.certificate, stranger.certificate, kNowMs, As::kServer), "ok");
}

TEST(Issue, ALeafSignsNobody) {
  const KeyPair authority = make_authority("test", kYear).value();
  const KeyPair leaf =
      issue(authority, {Role::kServer, "spiffe://ballast/n/u/server", kWeek}).value();
  const KeyPair child =
      issue(leaf, {Role::kServer, "spiffe://ballast/n/u/operator", kWeek}).value();
  EXPECT_NE(
      verdict(child.certificate, authority.certificate + leaf.certificate, kNowMs, As::kClient),
      "ok");
}

TEST(Issue, NamesOfThisMachineOnlyWhereAsked) {
  const KeyPair authority = make_authority("test", kYear).value();
  for (const bool local : {false, true}) {
    const auto made =
        issue(authority, {Role::kServer, "spiffe://ballast/n/u/server", kWeek, local}).value();
    const auto certificate = openssl::read_certificate(made.certificate).value();
    EXPECT_EQ(X509_check_ip_asc(certificate.get(), "127.0.0.1", 0), local ? 1 : 0);
    EXPECT_EQ(X509_check_host(certificate.get(), "localhost", 0, 0, nullptr), local ? 1 : 0);
  }
}

TEST(Issue, WantsAnAuthorityWithItsKey) {
  const KeyPair authority = make_authority("test", kYear).value();
  const KeyPair other = make_authority("test", kYear).value();
  const IssueRequest request{Role::kServer, "spiffe://ballast/n/u/server", kWeek};
  const auto mixed = issue({authority.certificate, other.key}, request);
  ASSERT_FALSE(mixed);
  EXPECT_EQ(mixed.error().code, ErrorCode::kInvalid);
  for (const KeyPair& broken : {KeyPair{"", ""}, KeyPair{authority.certificate, "nonsense"},
                                KeyPair{"nonsense", authority.key}}) {
    const auto made = issue(broken, request);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(made.error().message, HasSubstr("PEM"));
  }
}

}  // namespace
}  // namespace ballast::certificates
