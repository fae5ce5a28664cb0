// The simulator's only source of chance: xoshiro256** seeded through splitmix64. Standard
// distributions differ between libraries, so that a seed would not replay; these do not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ballast::sim {

// A bijection of 64 bits with good avalanche.
constexpr uint64_t mix(uint64_t value) {
  value += 0x9e3779b97f4a7c15ULL;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

class Random {
 public:
  explicit Random(uint64_t seed) {
    for (uint64_t& word : state_) {
      word = seed = mix(seed);
    }
  }

  uint64_t next() {
    const uint64_t result = rotate(state_[1] * 5, 7) * 9;
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = rotate(state_[3], 45);
    return result;
  }

  // 0 .. count-1; the bias of 2^-32 at most does not matter here.
  uint64_t below(uint64_t count) { return count == 0 ? 0 : (next() >> 32) * count >> 32; }
  int64_t between(int64_t low, int64_t high) {  // both included
    return low + static_cast<int64_t>(below(static_cast<uint64_t>(high - low + 1)));
  }
  bool chance(uint32_t per_mille) { return below(1000) < per_mille; }
  template <typename T>
  const T& pick(const std::vector<T>& values) {
    return values[static_cast<size_t>(below(values.size()))];
  }

 private:
  static uint64_t rotate(uint64_t value, int bits) {
    return (value << bits) | (value >> (64 - bits));
  }
  uint64_t state_[4] = {};
};

}  // namespace ballast::sim
