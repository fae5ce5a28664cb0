// A block of fp32 on a 64-byte boundary, zero at first, as vector loops and matrix products like
// it. Movable, not copyable; no thread rule of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>

namespace ballast {

class FloatBuffer {
 public:
  FloatBuffer() = default;
  explicit FloatBuffer(uint64_t elements) : size_(elements) {
    const size_t bytes = (static_cast<size_t>(elements) * sizeof(float) + 63) / 64 * 64;
    auto* memory = static_cast<float*>(std::aligned_alloc(64, bytes == 0 ? 64 : bytes));
    if (memory == nullptr) {
      throw std::bad_alloc();
    }
    std::memset(memory, 0, bytes);
    data_.reset(memory);
  }

  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }
  uint64_t size() const { return size_; }
  std::span<float> span() { return {data(), static_cast<size_t>(size_)}; }
  std::span<const float> span() const { return {data(), static_cast<size_t>(size_)}; }

 private:
  struct Free {
    void operator()(float* memory) const { std::free(memory); }
  };
  std::unique_ptr<float, Free> data_;
  uint64_t size_ = 0;
};

}  // namespace ballast
