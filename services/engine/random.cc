#include "services/engine/random.h"

#include <cmath>

#include "services/engine/math.h"

namespace ballast {
namespace {

uint32_t low(uint64_t value) { return static_cast<uint32_t>(value); }
uint32_t high(uint64_t value) { return static_cast<uint32_t>(value >> 32); }

PhiloxCounter draw(uint64_t seed, uint64_t stream, uint64_t index) {
  return philox({low(index), high(index), low(stream), high(stream)}, {low(seed), high(seed)});
}

// Two normal numbers from two uniform ones (Box and Muller).
void normal_pair(uint32_t a, uint32_t b, double* out) {
  const double radius = std::sqrt(-2 * logarithm((a + 0.5) * 0x1p-32));
  const SineCosine angle = sine_cosine(b * 0x1p-32);
  out[0] = radius * angle.cosine;
  out[1] = radius * angle.sine;
}

}  // namespace

PhiloxCounter philox(PhiloxCounter counter, PhiloxKey key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t first = uint64_t{0xD2511F53} * counter[0];
    const uint64_t second = uint64_t{0xCD9E8D57} * counter[2];
    counter = {high(second) ^ counter[1] ^ key[0], low(second), high(first) ^ counter[3] ^ key[1],
               low(first)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

std::array<double, 4> normal_block(uint64_t seed, uint64_t stream, uint64_t block) {
  const PhiloxCounter bits = draw(seed, stream, block);
  std::array<double, 4> out{};
  normal_pair(bits[0], bits[1], out.data());
  normal_pair(bits[2], bits[3], out.data() + 2);
  return out;
}

double uniform(uint64_t seed, uint64_t stream, uint64_t index) {
  const PhiloxCounter bits = draw(seed, stream, index);
  const uint64_t whole = (uint64_t{bits[0]} << 32) | bits[1];
  return static_cast<double>(whole >> 11) * 0x1p-53;
}

}  // namespace ballast
