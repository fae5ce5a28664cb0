#include "services/engine/fingerprint.h"

#include <vector>

#include <fmt/format.h>
#include <xxhash.h>

#include "services/engine/gemm.h"
#include "services/engine/random.h"

namespace ballast {
namespace {

#if defined(__clang__)
constexpr const char* kCompiler = "clang " __clang_version__;
#else
constexpr const char* kCompiler = "gcc " __VERSION__;
#endif

std::vector<float> numbers(size_t count, uint64_t stream) {
  std::vector<float> out(count);
  for (size_t i = 0; i < count; ++i) {
    out[i] = static_cast<float>(normal_block(1, stream, i / 4)[i % 4]);
  }
  return out;
}

uint64_t probe(const Compute& compute) {
  constexpr size_t kM = 77;
  constexpr size_t kN = 131;
  constexpr size_t kK = 613;
  const std::vector<float> a = numbers(kM * kK, 1);
  const std::vector<float> b = numbers(kK * kN, 2);
  std::vector<float> c(kM * kN);
  uint64_t hash = 0;
  for (int form = 0; form < 4; ++form) {
    const bool transpose_a = (form & 1) != 0;
    const bool transpose_b = (form & 2) != 0;
    gemm(compute, {.transpose_a = transpose_a,
                   .transpose_b = transpose_b,
                   .m = kM,
                   .n = kN,
                   .k = kK,
                   .a = a.data(),
                   .a_stride = transpose_a ? kM : kK,
                   .b = b.data(),
                   .b_stride = transpose_b ? kK : kN,
                   .c = c.data(),
                   .c_stride = kN});
    compute.kernels->gelu_tanh_forward(c.data(), c.data(), c.size());
    compute.kernels->gelu_exact_forward(c.data(), c.data(), c.size());
    hash = XXH3_64bits_withSeed(c.data(), c.size() * sizeof(float), hash);
  }
  return hash;
}

}  // namespace

std::string numerics_fingerprint(const Compute& compute) {
  return fmt::format("ballast {}; {}; kernels {}; {}; tiles {}; probe {:016x}", BALLAST_VERSION,
                     kCompiler, compute.kernels->name, gemm_library(), gemm_tiles(),
                     probe(compute));
}

}  // namespace ballast
