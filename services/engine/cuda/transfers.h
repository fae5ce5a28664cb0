// The arena on its way between host and device, beside the computation: parameters in, range by
// range as they are first needed; gradients out, range by range as they become final. On the device
// the token table has more rows than in the arena (padding of the vocabulary), so everything behind
// it lies further on.
//
// Host memory that is passed in is registered with the device, once for each place. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "services/core/layout.h"
#include "services/engine/cuda/runtime.h"
#include "services/engine/tape.h"

namespace ballast::cuda {

// Offsets of the arena on the device.
class DeviceArena {
 public:
  DeviceArena(const Layout& layout, uint64_t table_elements)
      : table_end_(layout.tensors.size() > 1 ? layout.tensors[1].offset : layout.elements),
        shift_(table_elements - table_end_),
        elements_(layout.elements + shift_) {}
  uint64_t elements() const { return elements_; }
  uint64_t offset(uint64_t arena) const { return arena < table_end_ ? arena : arena + shift_; }
  // Calls use(begin, count, device offset) for the one or two parts of arena elements [begin, end).
  template <typename Use>
  void for_parts(uint64_t begin, uint64_t end, const Use& use) const {
    if (begin < table_end_ && end > table_end_) {
      use(begin, table_end_ - begin, offset(begin));
      begin = table_end_;
    }
    if (begin < end) use(begin, end - begin, offset(begin));
  }

 private:
  uint64_t table_end_;  // of the token table and its padding, in the arena
  uint64_t shift_;
  uint64_t elements_;
};

// Memory of the host that copies may use directly. Where it cannot be registered, they still work.
class HostMemory {
 public:
  ~HostMemory();
  void use(const void* data, uint64_t bytes);

 private:
  std::map<const void*, uint64_t> registered_;
};

// Gradients of one pass on their way out.
class GradientCopies {
 public:
  explicit GradientCopies(const DeviceArena& arena) : arena_(arena) {}

  // What was put into `compute` so far makes arena elements [begin, end) of `gradients`, on the
  // device, final: copies them to `to`, an arena.
  void begin(const Stream& compute, const float* gradients, std::span<float> to, uint64_t begin,
             uint64_t end);
  // Waits for each range in turn and tells of it.
  void finish(const RangeFunction& final);
  // What follows in `stream` comes after all copies.
  void hold(const Stream& stream) const { last_.hold(stream); }
  double seconds() const { return seconds_; }

 private:
  struct Range {
    uint64_t begin = 0;
    uint64_t end = 0;
    size_t event = 0;
  };
  struct Copy {
    Event ready;
    Event began{true};
    Event done{true};
  };

  const DeviceArena& arena_;
  Stream stream_;
  HostMemory host_;
  std::vector<Copy> copies_;  // kept from pass to pass
  std::vector<Range> ranges_;
  Event last_;
  double seconds_ = 0;
};

}  // namespace ballast::cuda
