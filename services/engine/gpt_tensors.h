// Places of a GPT's tensors in its layout: the two embeddings, twelve a layer, the last norm.
#pragma once

#include <cstddef>

namespace ballast {

inline constexpr size_t kTokenTable = 0;
inline constexpr size_t kPositionTable = 1;
inline constexpr size_t kFirstLayer = 2;
inline constexpr size_t kTensorsOfLayer = 12;

// Within a layer: each is a weight (or gain) and its bias.
enum OfLayer : size_t {
  kNorm1 = 0,
  kAttention = 2,
  kAttentionOut = 4,
  kNorm2 = 6,
  kExpand = 8,
  kContract = 10
};

}  // namespace ballast
