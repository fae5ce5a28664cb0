#include "services/engine/gemm.h"

#include <algorithm>

#include <fmt/format.h>
#include <oneapi/dnnl/dnnl.h>

#include "common/check.h"

// Of the OpenMP runtime that oneDNN is linked to. Declared here, because a compiler's own omp.h may
// belong to another runtime.
extern "C" void omp_set_num_threads(int threads);

namespace ballast {
namespace {

// Larger tiles spread the cost of packing; smaller ones give more threads something to do. Rows are
// cut further than columns: the library packs the second operand anew for each tile, slowly where
// it is transposed, and fewer than 128 columns do not pay for that (measured on AVX-512: 48 GFLOP/s
// in tiles of 64 x 64, 86 to 107 in tiles of 64 x 128).
constexpr TileShape kLargestTile{128, 256};
constexpr TileShape kSmallestTile{64, 128};
constexpr size_t kTilesWanted = 4;

size_t pieces(size_t whole, size_t part) { return (whole + part - 1) / part; }

// oneDNN would otherwise share one product out over threads in a way that depends on their number.
void hold_library_at_one_thread() {
  thread_local const bool held = [] {
    omp_set_num_threads(1);
    return true;
  }();
  (void)held;
}

const char* isa_name(dnnl_cpu_isa_t isa) {
  switch (isa) {
    case dnnl_cpu_isa_sse41:
      return "sse41";
    case dnnl_cpu_isa_avx:
      return "avx";
    case dnnl_cpu_isa_avx2:
      return "avx2";
    case dnnl_cpu_isa_avx2_vnni:
      return "avx2_vnni";
    case dnnl_cpu_isa_avx512_core:
      return "avx512_core";
    case dnnl_cpu_isa_avx512_core_vnni:
      return "avx512_core_vnni";
    case dnnl_cpu_isa_avx512_core_bf16:
      return "avx512_core_bf16";
    case dnnl_cpu_isa_avx512_core_amx:
      return "avx512_core_amx";
    default:
      return "other";
  }
}

}  // namespace

void gemm_on_this_thread(const Compute& compute, const Gemm& gemm) {
  hold_library_at_one_thread();
  const auto status = dnnl_sgemm(
      gemm.transpose_a ? 'T' : 'N', gemm.transpose_b ? 'T' : 'N', static_cast<dnnl_dim_t>(gemm.m),
      static_cast<dnnl_dim_t>(gemm.n), static_cast<dnnl_dim_t>(gemm.k), 1.0F, gemm.a,
      static_cast<dnnl_dim_t>(gemm.a_stride), gemm.b, static_cast<dnnl_dim_t>(gemm.b_stride),
      gemm.beta, gemm.c, static_cast<dnnl_dim_t>(gemm.c_stride));
  CHECK(status == dnnl_success);
  if (gemm.bias != nullptr) {
    compute.kernels->add_bias(gemm.c, gemm.c_stride, gemm.m, gemm.n, gemm.bias);
  }
}

TileShape gemm_tile(size_t m, size_t n) {
  TileShape tile = kLargestTile;
  while (pieces(m, tile.rows) * pieces(n, tile.columns) < kTilesWanted) {
    if (tile.columns > kSmallestTile.columns) {
      tile.columns /= 2;
    } else if (tile.rows > kSmallestTile.rows) {
      tile.rows /= 2;
    } else {
      break;
    }
  }
  return tile;
}

void gemm(const Compute& compute, const Gemm& whole) {
  const TileShape tile = gemm_tile(whole.m, whole.n);
  const size_t across = pieces(whole.n, tile.columns);
  compute.pool->run(pieces(whole.m, tile.rows) * across, [&](size_t index) {
    const size_t row = index / across * tile.rows;
    const size_t column = index % across * tile.columns;
    Gemm part = whole;
    part.m = std::min(tile.rows, whole.m - row);
    part.n = std::min(tile.columns, whole.n - column);
    part.a += whole.transpose_a ? row : row * whole.a_stride;
    part.b += whole.transpose_b ? column * whole.b_stride : column;
    part.c += row * whole.c_stride + column;
    part.bias = whole.bias == nullptr ? nullptr : whole.bias + column;
    gemm_on_this_thread(compute, part);
  });
}

std::string gemm_library() {
  const dnnl_version_t* version = dnnl_version();
  return fmt::format("oneDNN {}.{}.{} {}", version->major, version->minor, version->patch,
                     isa_name(dnnl_get_effective_cpu_isa()));
}

std::string gemm_tiles() {
  return fmt::format("{}x{}..{}x{}", kSmallestTile.rows, kSmallestTile.columns, kLargestTile.rows,
                     kLargestTile.columns);
}

}  // namespace ballast
