// The authority of a cluster: what its Secret may hold, and what becomes of it as the years go.
#include "operator/certificates/authority.h"

#include <gmock/gmock.h>

#include "common/certificate.h"
#include "tests/certificates/verify.h"

namespace ballast::certificates {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kDayMs = int64_t{24} * 3600 * 1000;
constexpr int64_t kNowMs = int64_t{20'000} * kDayMs;
const Lives kLives;  // ten years, a week
const int64_t kEndMs = kNowMs + kLives.authority_ms;

std::optional<Authority> moved(const Authority& authority, int64_t now_ms) {
  const auto moved = moved_on(authority, kLives, now_ms);
  EXPECT_TRUE(moved) << moved.error().message;
  return moved.value_or(std::nullopt);
}

TEST(Authority, ComesBackFromItsSecret) {
  Authority authority = first_authority(kLives, kNowMs).value();
  EXPECT_EQ(read_authority(content_of(authority)), authority);
  authority.next = first_authority(kLives, kNowMs).value().current;
  EXPECT_EQ(read_authority(content_of(authority)), authority);
  authority.previous = first_authority(kLives, kNowMs).value().current.certificate;
  EXPECT_EQ(read_authority(content_of(authority)), authority);
}

TEST(Authority, WhatCannotBeReadNamesTheEntry) {
  Authority authority = first_authority(kLives, kNowMs).value();
  authority.next = first_authority(kLives, kNowMs).value().current;
  authority.previous = authority.current.certificate;
  const KeyPair leaf =
      issue(authority.current, {Role::kServer, "spiffe://ballast/n/u/server", {kNowMs, kEndMs}})
          .value();
  const SecretContent whole = content_of(authority);
  const std::pair<const char*, std::string> table[] = {{"tls.crt", ""},
                                                       {"tls.crt", "nonsense"},
                                                       {"tls.crt", leaf.certificate},
                                                       {"tls.key", ""},
                                                       {"tls.key", "nonsense"},
                                                       {"tls.key", leaf.key},
                                                       {"next.crt", ""},
                                                       {"next.key", whole.at("tls.key")},
                                                       {"next.crt", leaf.certificate},
                                                       {"previous.crt", "nonsense"}};
  for (const auto& [name, value] : table) {
    SecretContent broken = whole;
    broken[name] = value;
    const auto read = read_authority(broken);
    ASSERT_FALSE(read) << name << ": " << value;
    EXPECT_EQ(read.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(read.error().message, HasSubstr(std::string(name).substr(0, 4)));
    EXPECT_THAT(read.error().message, Not(HasSubstr("PRIVATE"))) << "a key in an error";
  }
}

TEST(Authority, StaysForYearsAndThenIsFollowed) {
  const Authority first = first_authority(kLives, kNowMs).value();
  EXPECT_EQ(moved(first, kNowMs), std::nullopt);
  EXPECT_EQ(moved(first, kEndMs - 366 * kDayMs), std::nullopt);

  // A year before its end: the successor is shown, and does not sign.
  const int64_t shown_ms = kEndMs - 365 * kDayMs;
  const auto both = moved(first, shown_ms);
  ASSERT_TRUE(both && both->next);
  EXPECT_EQ(both->current, first.current);
  EXPECT_THAT(trusted_by(*both), HasSubstr(both->next->certificate));
  EXPECT_EQ(moved(*both, shown_ms + 13 * kDayMs), std::nullopt);

  // Everybody has seen it: it signs, and the one before is believed.
  const auto after = moved(*both, shown_ms + 14 * kDayMs);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->current, *both->next);
  EXPECT_EQ(after->next, std::nullopt);
  EXPECT_EQ(after->previous, first.current.certificate);
  EXPECT_EQ(moved(*after, shown_ms + 15 * kDayMs), std::nullopt);
  EXPECT_EQ(believes(*after, signer_of(first).value()), true);
  EXPECT_EQ(believes(*after, signer_of(*after).value()), true);
  EXPECT_EQ(believes(*after, "0123456789abcdef"), false);
}

TEST(Authority, ThatHasEndedIsNeverReplacedByItself) {
  const Authority first = first_authority(kLives, kNowMs).value();
  const auto ended = moved_on(first, kLives, kEndMs);
  ASSERT_FALSE(ended);
  EXPECT_THAT(ended.error().message, HasSubstr("ended"));
  EXPECT_THAT(ended.error().message, HasSubstr("UTC"));

  // Unless its successor was there already.
  Authority both = first;
  both.next = first_authority(kLives, kEndMs - kDayMs).value().current;
  const auto after = moved(both, kEndMs);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->current, *both.next);
}

TEST(Authority, OfAFutureIsAnErrorOfSomeClock) {
  const Authority first = first_authority(kLives, kNowMs).value();
  EXPECT_TRUE(moved_on(first, kLives, kNowMs - 3'500'000)) << "an hour is allowed for";
  const auto early = moved_on(first, kLives, kNowMs - kDayMs);
  ASSERT_FALSE(early);
  EXPECT_THAT(early.error().message, HasSubstr("clock"));
}

TEST(Authority, SignsNothingThatOutlivesIt) {
  const Authority first = first_authority(kLives, kNowMs).value();
  const auto late = identity_of(first, "n", "u", Role::kWorker, kLives, kEndMs - kDayMs);
  ASSERT_TRUE(late);
  EXPECT_EQ(certificate_facts(late->own.certificate)->ends_ms, kEndMs);
  const auto early = identity_of(first, "n", "u", Role::kWorker, kLives, kNowMs);
  ASSERT_TRUE(early);
  EXPECT_EQ(certificate_facts(early->own.certificate)->ends_ms, kNowMs + kLives.leaf_ms);
  EXPECT_EQ(early->trusted, first.current.certificate);
}

}  // namespace
}  // namespace ballast::certificates
