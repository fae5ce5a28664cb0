// What the CUDA half needs of the CUDA runtime: errors as exceptions, which stop at cuda/model.cc,
// and owners of what a device lends. One device a process, the first one that it sees. Every call
// but those that say so returns before the device has done the work.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace ballast::cuda {

// A call of the CUDA libraries failed.
class DeviceError : public std::runtime_error {
 public:
  enum class Kind {
    kOutOfMemory,
    kUnsupported,  // this device or library cannot do it: never will
    kLost,         // everything else: the device, its driver or a kernel failed
  };
  DeviceError(Kind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

// Throws DeviceError where `status` is an error; `what` names the call.
void check(cudaError_t status, const char* what);
// After a kernel's launch: errors of its configuration.
void check_launch(const char* kernel);

// Memory of the device; zero at first.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  explicit DeviceMemory(uint64_t bytes);
  ~DeviceMemory();
  DeviceMemory(DeviceMemory&& other) noexcept : data_(other.data_), bytes_(other.bytes_) {
    other.data_ = nullptr;
    other.bytes_ = 0;
  }
  DeviceMemory& operator=(DeviceMemory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  template <typename T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  uint64_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  uint64_t bytes_ = 0;
};

// Memory of the host that the device copies from and to by itself.
class PinnedMemory {
 public:
  PinnedMemory() = default;
  explicit PinnedMemory(uint64_t bytes);
  ~PinnedMemory();
  PinnedMemory(PinnedMemory&& other) noexcept : data_(other.data_) { other.data_ = nullptr; }
  PinnedMemory& operator=(PinnedMemory&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }

  template <typename T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void* data_ = nullptr;
};

class Stream {
 public:
  Stream();
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }
  void wait() const;  // blocks until all of it is done

 private:
  cudaStream_t stream_ = nullptr;
};

class Event {
 public:
  explicit Event(bool timed = false);
  ~Event();
  Event(Event&& other) noexcept : event_(other.event_) { other.event_ = nullptr; }
  Event& operator=(Event&& other) noexcept {
    std::swap(event_, other.event_);
    return *this;
  }
  void record(const Stream& stream);
  void hold(const Stream& stream) const;  // what follows in `stream` comes after this
  void wait() const;                      // blocks
  // Of two timed events that have happened.
  static double seconds_between(const Event& first, const Event& last);

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace ballast::cuda
