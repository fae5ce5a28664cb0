#include "services/engine/gemm.h"

#include <cmath>
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "tests/engine/reference.h"

namespace ballast {
namespace {

double element(const Gemm& op, size_t i, size_t j) {
  double total = op.bias == nullptr ? 0.0 : op.bias[j];
  for (size_t l = 0; l < op.k; ++l) {
    const double a = op.transpose_a ? op.a[l * op.a_stride + i] : op.a[i * op.a_stride + l];
    const double b = op.transpose_b ? op.b[j * op.b_stride + l] : op.b[l * op.b_stride + j];
    total += a * b;
  }
  return total;
}

TEST(Gemm, MatchesTheSumOfProductsInEveryForm) {
  EXPECT_TRUE(rc::check("gemm", [] {
    Gemm op;
    op.transpose_a = *rc::gen::arbitrary<bool>();
    op.transpose_b = *rc::gen::arbitrary<bool>();
    op.m = *rc::gen::inRange<size_t>(1, 160);
    op.n = *rc::gen::inRange<size_t>(1, 160);
    op.k = *rc::gen::inRange<size_t>(1, 90);
    const size_t gap = *rc::gen::inRange<size_t>(0, 5);  // strides beyond the row
    op.a_stride = (op.transpose_a ? op.m : op.k) + gap;
    op.b_stride = (op.transpose_b ? op.k : op.n) + gap;
    op.c_stride = op.n + gap;
    op.beta = *rc::gen::arbitrary<bool>() ? 1.0F : 0.0F;
    const auto a = reference::normal_floats((op.m + op.k) * (op.m + op.k + gap), 1);
    const auto b = reference::normal_floats((op.n + op.k) * (op.n + op.k + gap), 2);
    const auto bias = reference::normal_floats(op.n, 3);
    op.a = a.data();
    op.b = b.data();
    op.bias = *rc::gen::arbitrary<bool>() ? bias.data() : nullptr;

    const float before = op.beta == 0 ? std::nanf("") : 0.5F;
    std::vector<float> c(op.m * op.c_stride, before);
    op.c = c.data();
    ThreadPool pool(2);
    gemm({&pool, &best_kernels()}, op);
    for (size_t i = 0; i < op.m; ++i) {
      for (size_t j = 0; j < op.c_stride; ++j) {
        const float found = c[i * op.c_stride + j];
        if (j >= op.n) {
          RC_ASSERT(std::memcmp(&found, &before, sizeof found) == 0);  // between rows: untouched
        } else {
          const double expected = element(op, i, j) + (op.beta == 0 ? 0.0 : 0.5);
          RC_ASSERT(std::abs(found - expected) < 1e-4 * (1 + std::abs(expected)));
        }
      }
    }
  }));
}

TEST(Gemm, BitsDoNotDependOnThreads) {
  const size_t sizes[][3] = {
      {1, 300, 70}, {128, 384, 128}, {65, 65, 1000}, {513, 130, 33}, {64, 64, 32}};
  for (const auto& [m, n, k] : sizes) {
    for (int form = 0; form < 4; ++form) {
      const bool ta = (form & 1) != 0;
      const bool tb = (form & 2) != 0;
      const auto a = reference::normal_floats(m * k, 1);
      const auto b = reference::normal_floats(k * n, 2);
      std::vector<float> expected;
      for (const size_t threads : {1u, 2u, 4u}) {
        std::vector<float> c(m * n);
        ThreadPool pool(threads);
        gemm({&pool, &best_kernels()}, {.transpose_a = ta,
                                        .transpose_b = tb,
                                        .m = m,
                                        .n = n,
                                        .k = k,
                                        .a = a.data(),
                                        .a_stride = ta ? m : k,
                                        .b = b.data(),
                                        .b_stride = tb ? k : n,
                                        .c = c.data(),
                                        .c_stride = n});
        if (expected.empty()) {
          expected = c;
        }
        EXPECT_EQ(std::memcmp(c.data(), expected.data(), c.size() * sizeof(float)), 0)
            << m << "x" << n << "x" << k << " form " << form << ", " << threads << " threads";
      }
    }
  }
}

// A library that does not know a processor may fall back to a generic kernel, five times slower.
TEST(GemmLibrary, UsesTheWidestInstructionsOfThisMachine) {
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx512) {
    EXPECT_THAT(gemm_library(), testing::HasSubstr("avx512_core"));
  } else if (__builtin_cpu_supports("avx2")) {
    EXPECT_THAT(gemm_library(), testing::HasSubstr("avx2"));
  }
}

TEST(GemmTile, CutsSmallProductsIntoSeveralTilesAndLargeOnesIntoLargeTiles) {
  const auto tiles = [](size_t m, size_t n) {
    const TileShape tile = gemm_tile(m, n);
    return std::pair(tile.rows, tile.columns);
  };
  EXPECT_EQ(tiles(4096, 4096), std::pair(size_t{128}, size_t{256}));
  EXPECT_EQ(tiles(128, 128), std::pair(size_t{64}, size_t{128}));
  EXPECT_EQ(tiles(128, 512), std::pair(size_t{128}, size_t{128}));
  EXPECT_EQ(tiles(1, 1), std::pair(size_t{64}, size_t{128}));
}

}  // namespace
}  // namespace ballast
