// Matrix products, row-major fp32: the one seam to the library that computes them (oneDNN;
// docs/decisions/0003-gemm.md). Each library call is single-threaded and makes one tile of the
// output; tiles are cut by the shape alone, so that no bit depends on the number of threads. Any
// thread.
#pragma once

#include <cstddef>
#include <string>

#include "services/engine/compute.h"

namespace ballast {

// c [m, n] = op(a) [m, k] * op(b) [k, n] + beta * c + bias. Strides are elements between rows as
// stored.
struct Gemm {
  bool transpose_a = false;  // a is stored [k, m]
  bool transpose_b = false;  // b is stored [n, k]
  size_t m = 0;
  size_t n = 0;
  size_t k = 0;
  const float* a = nullptr;
  size_t a_stride = 0;
  const float* b = nullptr;
  size_t b_stride = 0;
  float beta = 0;  // 0 or 1
  float* c = nullptr;
  size_t c_stride = 0;
  const float* bias = nullptr;  // [n], or none
};

// In one library call, on this thread.
void gemm_on_this_thread(const Compute& compute, const Gemm& gemm);

// Tiles of the output shared out over the pool.
void gemm(const Compute& compute, const Gemm& gemm);

struct TileShape {
  size_t rows = 0;
  size_t columns = 0;
};
TileShape gemm_tile(size_t m, size_t n);

// Name and version of the library and the instruction set it uses here.
std::string gemm_library();
// Which tiles there are, for the numerics fingerprint.
std::string gemm_tiles();

}  // namespace ballast
