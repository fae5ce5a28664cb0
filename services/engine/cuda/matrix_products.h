// Matrix products on the device, row-major: the one seam to cuBLASLt. Which of its kernels computes
// a product is asked of its heuristics once a shape, without timing anything: a pure function of
// the shape, the device and the library's version. One thread at a time.
#pragma once

#include <cublasLt.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "services/engine/cuda/compute.h"
#include "services/engine/cuda/runtime.h"

namespace ballast::cuda {

enum class ElementType { kFp32, kBf16 };

// What is done with a product before it is stored.
enum class Epilogue {
  kNone,
  kBias,          // + bias[n] of each column
  kBiasGelu,      // the same, stored in `inner`; out is its gelu in the tanh form
  kGeluBackward,  // times the slope of gelu at `inner`
};

// c [m, n] = op(a) [m, k] * op(b) [k, n] + beta * c; a, b and bias of `elements`, c of `result`.
// fp32 products are not rounded to anything shorter.
struct Product {
  ElementType elements = ElementType::kFp32;
  ElementType result = ElementType::kFp32;
  bool transpose_a = false;  // a is stored [k, m]
  bool transpose_b = false;  // b is stored [n, k]
  size_t m = 0;
  size_t n = 0;
  size_t k = 0;
  const void* a = nullptr;
  size_t a_stride = 0;  // elements between rows as stored
  const void* b = nullptr;
  size_t b_stride = 0;
  void* c = nullptr;
  size_t c_stride = 0;
  float beta = 0;
  Epilogue epilogue = Epilogue::kNone;
  const void* bias = nullptr;
  void* inner = nullptr;  // [m, n]
  // Many of a form, at fixed distances in elements.
  size_t count = 1;
  size_t a_distance = 0;
  size_t b_distance = 0;
  size_t c_distance = 0;
};

class MatrixProducts {
 public:
  MatrixProducts();
  ~MatrixProducts();
  MatrixProducts(const MatrixProducts&) = delete;
  MatrixProducts& operator=(const MatrixProducts&) = delete;

  // False: the library has no kernel with this epilogue for this shape; nothing was done. Without
  // an epilogue that is a DeviceError.
  bool multiply(cudaStream_t stream, const Product& product);

  static std::string library();  // name and version

 private:
  struct Plan;
  using Key = std::tuple<int, int, bool, bool, size_t, size_t, size_t, size_t, size_t, size_t, int,
                         size_t, size_t, size_t, size_t, bool>;
  Plan& plan_of(const Product& product);

  cublasLtHandle_t handle_ = nullptr;
  DeviceMemory workspace_;
  std::map<Key, std::unique_ptr<Plan>> plans_;
};

// As multiply(), put into compute.stream.
bool multiply(const Compute& compute, const Product& product);

template <typename T>
inline constexpr ElementType kElementType = sizeof(T) == 4 ? ElementType::kFp32
                                                           : ElementType::kBf16;

}  // namespace ballast::cuda
