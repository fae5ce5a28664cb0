// Dropout (Srivastava et al., JMLR 15, 2014) with masks from counters: nothing is stored between
// forward and backward, and who computes a microbatch again draws the same mask.
#include <algorithm>
#include <cmath>

#include "common/check.h"
#include "services/engine/operations.h"
#include "services/engine/random.h"

namespace ballast {
namespace {
constexpr size_t kRowsPerTask = 16;
constexpr double kSteps = 65536;
constexpr uint32_t kDropoutStream = 0x64726f70;  // apart from other uses of the seed
}  // namespace

DropoutMask dropout_mask(const DropoutKey& key, uint32_t site, double probability) {
  CHECK(probability >= 0 && probability < 1);
  const PhiloxCounter drawn =
      philox({static_cast<uint32_t>(key.step), static_cast<uint32_t>(key.step >> 32),
              key.microbatch, kDropoutStream},
             {static_cast<uint32_t>(key.seed), static_cast<uint32_t>(key.seed >> 32)});
  const double threshold = std::min(kSteps - 1, std::floor(probability * kSteps + 0.5));
  return {.key = {drawn[0], drawn[1]},
          .nonce = drawn[2],
          .site = site,
          .threshold = static_cast<uint32_t>(threshold),
          .scale = static_cast<float>(kSteps / (kSteps - threshold))};
}

void dropout_apply(const Compute& compute, const DropoutMask& mask, size_t rows, size_t columns,
                   const float* in, float* out) {
  compute.pool->run_ranges(rows, kRowsPerTask, [&](size_t begin, size_t end) {
    compute.kernels->dropout(
        mask, {.first_row = begin, .rows = end - begin, .columns = columns, .stride = columns},
        in + begin * columns, out + begin * columns);
  });
}

}  // namespace ballast
