#include "services/core/sampler.h"

#include <algorithm>
#include <bit>

#include "common/check.h"

namespace ballast {
namespace {

constexpr int kRounds = 6;

// A bijection of 64 bits with good avalanche (the finaliser of SplitMix64).
uint64_t mix(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

uint64_t round_key(uint64_t seed, uint64_t pass, int round) {
  constexpr uint64_t kGolden = 0x9e3779b97f4a7c15ULL;
  return mix(mix(mix(seed + kGolden) + pass) + kGolden * static_cast<uint64_t>(round + 1));
}

// A permutation of [0, count): a balanced Feistel network over the smallest even number of bits
// that holds count, walked along its cycle until it lands inside (four steps at most on average).
uint64_t permute(uint64_t index, uint64_t count, uint64_t seed, uint64_t pass) {
  const int half_bits = std::max(1, (static_cast<int>(std::bit_width(count - 1)) + 1) / 2);
  const uint64_t mask = (uint64_t{1} << half_bits) - 1;
  do {
    uint64_t left = index >> half_bits;
    uint64_t right = index & mask;
    for (int round = 0; round < kRounds; ++round) {
      const uint64_t next = left ^ (mix(right ^ round_key(seed, pass, round)) & mask);
      left = right;
      right = next;
    }
    index = (left << half_bits) | right;
  } while (index >= count);
  return index;
}

// Non-overlapping windows of `context` tokens, each followed by one token more.
uint64_t window_count(uint64_t tokens, uint32_t context) {
  return tokens == 0 ? 0 : (tokens - 1) / context;
}

}  // namespace

std::vector<uint64_t> sample_positions(const SamplerConfig& config, Step step,
                                       Microbatch microbatch) {
  CHECK(config.context >= 1 && config.microbatches >= 1 && microbatch < config.microbatches);
  CHECK(config.batch % config.microbatches == 0);
  const uint64_t windows = window_count(config.train_tokens, config.context);
  CHECK(windows >= 1);
  const uint32_t sequences = config.batch / config.microbatches;
  const uint64_t first = step * config.batch + uint64_t{microbatch} * sequences;
  std::vector<uint64_t> positions(sequences);
  for (uint32_t i = 0; i < sequences; ++i) {
    const uint64_t number = first + i;
    positions[i] =
        config.context * permute(number % windows, windows, config.seed, number / windows);
  }
  return positions;
}

std::vector<uint64_t> evaluation_positions(uint64_t train_tokens, uint64_t total_tokens,
                                           uint32_t context, uint32_t sequences_per_microbatch,
                                           uint32_t batches, uint32_t index) {
  CHECK(context >= 1 && train_tokens <= total_tokens);
  const uint64_t windows = window_count(total_tokens - train_tokens, context);
  const uint64_t count = std::min(windows, uint64_t{sequences_per_microbatch} * batches);
  const uint64_t begin = std::min(count, uint64_t{sequences_per_microbatch} * index);
  const uint64_t end = std::min(count, begin + sequences_per_microbatch);
  std::vector<uint64_t> positions;
  for (uint64_t number = begin; number < end; ++number) {
    // 128 bits: both factors may be large; distinct because windows >= count.
    const auto window = static_cast<unsigned __int128>(number) * windows / count;
    positions.push_back(train_tokens + static_cast<uint64_t>(window) * context);
  }
  return positions;
}

}  // namespace ballast
