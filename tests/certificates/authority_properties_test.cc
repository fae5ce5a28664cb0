// Over decades: operators look at the authority now and then, jobs renew now and then, pods get
// what was written some minutes later. Whoever holds a certificate is believed by everybody else at
// any time.
#include <gtest/gtest.h>

#include <vector>

#include "common/certificate.h"
#include "operator/certificates/authority.h"
#include "tests/certificates/verify.h"
#include "tests/sim/random.h"

namespace ballast::certificates {
namespace {

constexpr int64_t kHourMs = int64_t{3600} * 1000;
constexpr int64_t kDayMs = 24 * kHourMs;
// A short-lived authority: several follow each other within a test.
const Lives kLives{.authority_ms = 120 * kDayMs, .leaf_ms = 7 * kDayMs};

struct Holder {
  Identity identity;
  int64_t renew_ms = 0;
};

// One history; its seed repeats it.
void live(uint64_t seed) {
  sim::Random random(seed);
  int64_t now_ms = 20'000 * kDayMs;
  const int64_t end_ms = now_ms + 400 * kDayMs;
  Authority authority = first_authority(kLives, now_ms).value();
  std::vector<Holder> holders(2);
  int successors = 0;
  while (now_ms < end_ms) {
    // The Secret goes through the API server.
    authority = read_authority(content_of(authority)).value();
    const auto moved = moved_on(authority, kLives, now_ms);
    ASSERT_TRUE(moved) << moved.error().message;
    if (*moved) {
      successors += (*moved)->next ? 0 : 1;
      authority = **moved;
    }
    for (Holder& holder : holders) {
      if (now_ms < holder.renew_ms) continue;
      holder.identity = identity_of(authority, "n", "u", Role::kServer, kLives, now_ms).value();
      // Half of its life, and whatever delays it up to two thirds.
      const auto late_hours = static_cast<int64_t>(random.below(7 * 24 / 6));
      holder.renew_ms = now_ms + kLives.leaf_ms / 2 + late_hours * kHourMs;
    }
    for (const Holder& one : holders) {
      for (const Holder& other : holders) {
        ASSERT_EQ(
            verdict(one.identity.own.certificate, other.identity.trusted, now_ms, As::kServer),
            "ok")
            << "day " << (now_ms - 20'000 * kDayMs) / kDayMs;
      }
    }
    now_ms += static_cast<int64_t>(1 + random.below(60)) * kHourMs;
  }
  EXPECT_GE(successors, 3);
}

TEST(AuthorityProperties, WhoeverRenewsInTimeIsBelievedByEverybodyWhoDoes) {
  for (uint64_t seed = 1; seed <= 2 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    live(seed);
  }
}

}  // namespace
}  // namespace ballast::certificates
