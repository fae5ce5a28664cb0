#include "services/engine/cuda/runtime.h"

#include <fmt/format.h>

namespace ballast::cuda {

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  const auto kind = status == cudaErrorMemoryAllocation ? DeviceError::Kind::kOutOfMemory
                    : status == cudaErrorNoKernelImageForDevice || status == cudaErrorNotSupported
                        ? DeviceError::Kind::kUnsupported
                        : DeviceError::Kind::kLost;
  throw DeviceError(
      kind, fmt::format("{}: {} ({})", what, cudaGetErrorString(status), cudaGetErrorName(status)));
}

void check_launch(const char* kernel) { check(cudaGetLastError(), kernel); }

DeviceMemory::DeviceMemory(uint64_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  const cudaError_t status = cudaMalloc(&data_, bytes);
  if (status != cudaSuccess) {
    (void)cudaGetLastError();  // a failed allocation leaves nothing behind
    check(status, fmt::format("cudaMalloc of {} bytes", bytes).c_str());
  }
  check(cudaMemset(data_, 0, bytes), "cudaMemset");
}

DeviceMemory::~DeviceMemory() {
  if (data_ != nullptr) (void)cudaFree(data_);
}

PinnedMemory::PinnedMemory(uint64_t bytes) {
  check(cudaMallocHost(&data_, bytes == 0 ? 1 : bytes), "cudaMallocHost");
}

PinnedMemory::~PinnedMemory() {
  if (data_ != nullptr) (void)cudaFreeHost(data_);
}

Stream::Stream() {
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
}

Stream::~Stream() { (void)cudaStreamDestroy(stream_); }

void Stream::wait() const { check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

Event::Event(bool timed) {
  check(cudaEventCreateWithFlags(&event_, timed ? cudaEventDefault : cudaEventDisableTiming),
        "cudaEventCreate");
}

Event::~Event() {
  if (event_ != nullptr) (void)cudaEventDestroy(event_);
}

void Event::record(const Stream& stream) {
  check(cudaEventRecord(event_, stream.get()), "cudaEventRecord");
}

void Event::hold(const Stream& stream) const {
  check(cudaStreamWaitEvent(stream.get(), event_, 0), "cudaStreamWaitEvent");
}

void Event::wait() const { check(cudaEventSynchronize(event_), "cudaEventSynchronize"); }

double Event::seconds_between(const Event& first, const Event& last) {
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, first.event_, last.event_), "cudaEventElapsedTime");
  return static_cast<double>(milliseconds) / 1000;
}

}  // namespace ballast::cuda
