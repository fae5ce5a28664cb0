#include "services/core/layout.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include <fmt/format.h>
#include <xxhash.h>

namespace ballast {
namespace {

uint64_t align_up(uint64_t elements) {
  return (elements + kTensorAlignment - 1) / kTensorAlignment * kTensorAlignment;
}

// The product of the shape, or an error that names the tensor. Bounded at every factor, so that no
// product overflows.
Result<uint64_t> element_count(const Tensor& tensor) {
  if (tensor.shape.empty() || tensor.shape.size() > kMaxTensorDimensions) {
    return fail(ErrorCode::kInvalid,
                fmt::format("tensor '{}' has {} dimensions, expected 1 to {}", tensor.name,
                            tensor.shape.size(), kMaxTensorDimensions));
  }
  uint64_t elements = 1;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    const uint64_t extent = tensor.shape[i];
    if (extent == 0) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("tensor '{}': dimension {} is 0", tensor.name, i));
    }
    if (extent > kMaxArenaElements / elements) {
      return fail(ErrorCode::kInvalid, fmt::format("tensor '{}' has more than {} elements",
                                                   tensor.name, kMaxArenaElements));
    }
    elements *= extent;
  }
  return elements;
}

Result<void> check_name(const Tensor& tensor, size_t index) {
  if (tensor.name.empty()) {
    return fail(ErrorCode::kInvalid, fmt::format("tensor number {} has no name", index));
  }
  if (tensor.name.size() > kMaxTensorNameBytes) {
    return fail(
        ErrorCode::kInvalid,
        fmt::format("tensor number {}: its name '{}...' has {} bytes, the limit is {}", index,
                    tensor.name.substr(0, 32), tensor.name.size(), kMaxTensorNameBytes));
  }
  return {};
}

class Encoder {
 public:
  void number(uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) {
      bytes_.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
    }
  }
  void text(std::string_view value) {
    number(value.size(), 4);
    bytes_.append(value);
  }
  uint64_t hash() const { return XXH3_64bits(bytes_.data(), bytes_.size()); }

 private:
  std::string bytes_;
};

}  // namespace

Result<Layout> make_layout(std::vector<Tensor> tensors) {
  if (tensors.empty() || tensors.size() > kMaxTensors) {
    return fail(ErrorCode::kInvalid, fmt::format("a layout of {} tensors, expected 1 to {}",
                                                 tensors.size(), kMaxTensors));
  }
  uint64_t offset = 0;
  std::unordered_set<std::string_view> names;
  for (size_t i = 0; i < tensors.size(); ++i) {
    Tensor& tensor = tensors[i];
    if (auto named = check_name(tensor, i); !named) {
      return tl::unexpected(named.error());
    }
    if (!names.insert(tensor.name).second) {
      return fail(ErrorCode::kInvalid, fmt::format("tensor '{}' appears twice", tensor.name));
    }
    if (tensor.group != ParameterGroup::kDecay && tensor.group != ParameterGroup::kNoDecay) {
      return fail(ErrorCode::kInvalid, fmt::format("tensor '{}': parameter group {} is unknown",
                                                   tensor.name, static_cast<int>(tensor.group)));
    }
    const auto elements = element_count(tensor);
    if (!elements) {
      return tl::unexpected(elements.error());
    }
    tensor.offset = offset;
    tensor.elements = *elements;
    offset = align_up(offset + *elements);
    if (offset > kMaxArenaElements) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("tensor '{}' ends at element {}, the limit of an arena is {}",
                              tensor.name, offset, kMaxArenaElements));
    }
  }
  return Layout{std::move(tensors), offset};
}

Result<void> check_layout(const Layout& layout) {
  const auto expected = make_layout(layout.tensors);
  if (!expected) {
    return tl::unexpected(expected.error());
  }
  for (size_t i = 0; i < layout.tensors.size(); ++i) {
    const Tensor& found = layout.tensors[i];
    const Tensor& right = expected->tensors[i];
    if (found.offset != right.offset || found.elements != right.elements) {
      return fail(
          ErrorCode::kInvalid,
          fmt::format("tensor '{}' lies at {} with {} elements, expected at {} with {}", found.name,
                      found.offset, found.elements, right.offset, right.elements));
    }
  }
  if (layout.elements != expected->elements) {
    return fail(ErrorCode::kInvalid, fmt::format("the layout has {} elements, expected {}",
                                                 layout.elements, expected->elements));
  }
  return {};
}

uint64_t layout_hash(const Layout& layout) {
  Encoder encoder;
  encoder.number(layout.tensors.size(), 8);
  for (const Tensor& tensor : layout.tensors) {
    encoder.text(tensor.name);
    encoder.number(tensor.shape.size(), 4);
    for (const uint64_t extent : tensor.shape) {
      encoder.number(extent, 8);
    }
    encoder.number(static_cast<uint64_t>(tensor.group), 1);
  }
  return encoder.hash();
}

std::vector<GroupRange> group_ranges(const Layout& layout) {
  std::vector<GroupRange> ranges;
  for (size_t i = 0; i < layout.tensors.size(); ++i) {
    const Tensor& tensor = layout.tensors[i];
    const uint64_t end =
        i + 1 < layout.tensors.size() ? layout.tensors[i + 1].offset : layout.elements;
    if (!ranges.empty() && ranges.back().group == tensor.group) {
      ranges.back().end = end;
    } else {
      ranges.push_back({tensor.offset, end, tensor.group});
    }
  }
  return ranges;
}

}  // namespace ballast
