// Values on their way to a device and back, and how near two results are.
#pragma once

#include <cmath>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "services/engine/cuda/fused_attention.h"
#include "services/engine/cuda/matrix_products.h"
#include "services/engine/cuda/operations.h"
#include "services/engine/cuda/runtime.h"

namespace ballast::cuda {

using Floats = std::vector<float>;

template <typename T>
T from_float(float value) {
  if constexpr (sizeof(T) == 4) {
    return value;
  } else {
    return __float2bfloat16_rn(value);
  }
}

template <typename T>
float to_float(T value) {
  if constexpr (sizeof(T) == 4) {
    return value;
  } else {
    return __bfloat162float(value);
  }
}

// As T holds them.
template <typename T>
Floats rounded(Floats values) {
  for (float& value : values) value = to_float<T>(from_float<T>(value));
  return values;
}

// Memory of a device with `values`, and garbage where none are given.
template <typename T>
class OnDevice {
 public:
  explicit OnDevice(size_t count) : count_(count), memory_(count * sizeof(T)) {
    check(cudaMemset(memory_.as<void>(), 0xff, memory_.bytes()), "cudaMemset");  // NaN
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  }
  explicit OnDevice(const Floats& values) : OnDevice(values.size()) {
    std::vector<T> elements;
    for (const float value : values) elements.push_back(from_float<T>(value));
    check(cudaMemcpy(get(), elements.data(), memory_.bytes(), cudaMemcpyHostToDevice), "copy");
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");  // other streams see it now
  }
  T* get() const { return memory_.template as<T>(); }
  Floats values() const {
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    std::vector<T> elements(count_);
    check(cudaMemcpy(elements.data(), get(), memory_.bytes(), cudaMemcpyDeviceToHost), "copy");
    Floats out;
    for (const T element : elements) out.push_back(to_float<T>(element));
    return out;
  }

 private:
  size_t count_;
  DeviceMemory memory_;
};

// Integers, as they are.
template <typename T>
class NumbersOnDevice {
 public:
  explicit NumbersOnDevice(const std::vector<T>& values)
      : memory_((values.size() + 1) * sizeof(T)) {
    check(cudaMemcpy(get(), values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice),
          "copy");
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  }
  T* get() const { return memory_.template as<T>(); }

 private:
  DeviceMemory memory_;
};

// |found - expected| / |expected|, as vectors.
inline double distance(const Floats& found, const Floats& expected) {
  double difference = 0;
  double size = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    difference += std::pow(static_cast<double>(found[i]) - static_cast<double>(expected[i]), 2);
    size += std::pow(static_cast<double>(expected[i]), 2);
  }
  return std::sqrt(difference) / std::max(std::sqrt(size), 1e-30);
}

// fp32: sums in another order. bf16: results are rounded to 8 bits, and what lies between them.
template <typename T>
inline constexpr double kNear = sizeof(T) == 4 ? 1e-5 : 6e-3;
// Where one result of bf16 goes into the next one.
template <typename T>
inline constexpr double kNearTwice = sizeof(T) == 4 ? 1e-5 : 1.5e-2;

inline void expect_near(const Floats& found, const Floats& expected, double tolerance,
                        const char* what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  const double apart = distance(found, expected);
  EXPECT_LE(apart, tolerance) << what;  // false for NaN
}

// Everything that operations run with.
class Device {
 public:
  explicit Device(size_t rows = 4096, size_t channels = 4096)
      : scratch_(scratch_elements(rows, channels) * sizeof(float)) {
    compute_ = {.stream = stream_.get(), .products = &products_, .scratch = scratch_.as<float>()};
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  }
  Compute& compute() { return compute_; }
  FusedAttention& attention() { return attention_; }

 private:
  Stream stream_;
  MatrixProducts products_;
  FusedAttention attention_;
  DeviceMemory scratch_;
  Compute compute_;
};

}  // namespace ballast::cuda
