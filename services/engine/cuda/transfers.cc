#include "services/engine/cuda/transfers.h"

namespace ballast::cuda {

HostMemory::~HostMemory() {
  for (const auto& [data, bytes] : registered_) {
    (void)cudaHostUnregister(const_cast<void*>(data));
  }
}

void HostMemory::use(const void* data, uint64_t bytes) {
  const auto [entry, fresh] = registered_.try_emplace(data, bytes);
  if (!fresh) return;
  if (cudaHostRegister(const_cast<void*>(data), bytes, cudaHostRegisterPortable) != cudaSuccess) {
    (void)cudaGetLastError();  // copies are slower then
    registered_.erase(entry);
  }
}

void GradientCopies::begin(const Stream& compute, const float* gradients, std::span<float> to,
                           uint64_t begin, uint64_t end) {
  host_.use(to.data(), to.size_bytes());
  const size_t index = ranges_.size();
  if (index == copies_.size()) copies_.emplace_back();
  Copy& copy = copies_[index];
  copy.ready.record(compute);
  copy.ready.hold(stream_);
  copy.began.record(stream_);
  arena_.for_parts(begin, end, [&](uint64_t first, uint64_t count, uint64_t on_device) {
    check(cudaMemcpyAsync(to.data() + first, gradients + on_device, count * sizeof(float),
                          cudaMemcpyDeviceToHost, stream_.get()),
          "copy of gradients");
  });
  copy.done.record(stream_);
  last_.record(stream_);
  ranges_.push_back({begin, end, index});
}

void GradientCopies::finish(const RangeFunction& final) {
  for (const Range& range : ranges_) {
    const Copy& copy = copies_[range.event];
    copy.done.wait();
    seconds_ += Event::seconds_between(copy.began, copy.done);
    if (final) final(range.begin, range.end);
  }
  ranges_.clear();
}

}  // namespace ballast::cuda
