// The arena's layout: which tensor lies where in the one flat fp32 address space of a job.
// Parameters, gradients and each optimizer state share it. The first worker's Join brings it; its
// hash is in every Join and checkpoint. Immutable values, no threads.
//
// Invariant: tensors start at multiples of kTensorAlignment elements, in the given order, with zero
// padding between them; `elements` is a multiple of kTensorAlignment.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/error.h"
#include "services/core/types.h"

namespace ballast {

inline constexpr uint64_t kTensorAlignment = 16;             // elements: 64 bytes of fp32
inline constexpr uint32_t kDefaultSegmentElements = 262144;  // 1 MiB of fp32
inline constexpr uint32_t kMaxTensors = 65536;
inline constexpr uint32_t kMaxTensorNameBytes = 256;
inline constexpr uint32_t kMaxTensorDimensions = 8;
inline constexpr uint64_t kMaxArenaElements = uint64_t{1} << 40;

// What an optimizer treats alike. Weight decay acts on matrices only.
enum class ParameterGroup : uint8_t { kDecay = 0, kNoDecay = 1 };

struct Tensor {
  std::string name;             // unique, e.g. "h.0.attn.c_attn.weight"
  std::vector<uint64_t> shape;  // row-major
  ParameterGroup group = ParameterGroup::kDecay;
  uint64_t offset = 0;    // elements from the arena's start
  uint64_t elements = 0;  // product of shape

  bool operator==(const Tensor&) const = default;
};

// Elements [begin, end) of the arena that belong to one parameter group.
struct GroupRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  ParameterGroup group = ParameterGroup::kDecay;

  bool operator==(const GroupRange&) const = default;
};

struct Layout {
  std::vector<Tensor> tensors;
  uint64_t elements = 0;  // of the arena, padding included

  bool operator==(const Layout&) const = default;
};

// Places tensors one after another; fills offset and elements from name, shape and group.
// Errors (kInvalid, naming the tensor): no tensors or too many, empty/duplicate/too long name, zero
// or too many dimensions, an arena beyond kMaxArenaElements.
Result<Layout> make_layout(std::vector<Tensor> tensors);

// Checks that a layout from outside is exactly what make_layout gives for its tensors.
Result<void> check_layout(const Layout& layout);

// 64 bits over names, shapes, groups and order (XXH3 over a fixed little-endian encoding).
uint64_t layout_hash(const Layout& layout);

// Ascending, touching ranges that cover [0, elements); padding belongs to the tensor before it.
std::vector<GroupRange> group_ranges(const Layout& layout);

// The arena cut into segments of a fixed size; the last one may be shorter.
struct Segments {
  uint64_t elements = 0;  // of the arena
  uint32_t segment_elements = kDefaultSegmentElements;

  uint32_t count() const {
    return static_cast<uint32_t>((elements + segment_elements - 1) / segment_elements);
  }
  uint64_t begin(SegmentId segment) const { return uint64_t{segment} * segment_elements; }
  uint32_t size(SegmentId segment) const {
    const uint64_t left = elements - begin(segment);
    return left < segment_elements ? static_cast<uint32_t>(left) : segment_elements;
  }
  SegmentId of(uint64_t element) const {
    return static_cast<SegmentId>(element / segment_elements);
  }

  bool operator==(const Segments&) const = default;
};

}  // namespace ballast
