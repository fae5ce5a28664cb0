#include "services/server/tensor_store.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <utility>

#include "common/check.h"
#include "common/checksum.h"
#include "services/server/optimizer.h"

namespace ballast {

// Of blocks that hold a segment as bfloat16, in the pool's unit.
constexpr uint32_t half_elements(uint32_t segment_elements) { return (segment_elements + 1) / 2; }

TensorStore::TensorStore() : pool_(1), rounded_pool_(1) {}

void TensorStore::configure(const JobIdentity& identity, const TrainingSettings& training) {
  identity_ = identity;
  training_ = training;
  segments_ = {.elements = identity.layout.elements, .segment_elements = training.segment_elements};
  groups_ = group_ranges(identity.layout);
  states_ = state_count(training.optimizer);
  buffers_.clear();
  held_.assign(segments_.count(), {});
  pool_ = BlockPool(training.segment_elements);
  rounded_pool_ = BlockPool(half_elements(training.segment_elements));
}

void TensorStore::drop(SegmentId segment) { held_.at(segment) = {}; }

// A block to write to: this one when nobody else refers to it, else a copy.
std::span<float> TensorStore::writable(Block& block, uint32_t size) {
  CHECK(block != nullptr);
  if (block.use_count() > 1) {
    Block copy = pool_.take();
    std::memcpy(copy.get(), block.get(), size_t{size} * sizeof(float));
    block = std::move(copy);
  } else {
#if !defined(__SANITIZE_THREAD__)                         // which knows no fences
    std::atomic_thread_fence(std::memory_order_acquire);  // with the last release elsewhere
#endif
  }
  return {block.get(), size};
}

// To be overwritten as a whole.
std::span<float> TensorStore::array_of(SegmentId segment, uint8_t part) {
  if (part == 0) held_.at(segment).rounded = nullptr;
  Block& block = held_.at(segment).arrays.at(part);
  if (block == nullptr || block.use_count() > 1) block = pool_.take();
  return {block.get(), segments_.size(segment)};
}

std::span<std::byte> TensorStore::bytes_of(const Block& rounded, SegmentId segment) const {
  return std::as_writable_bytes(std::span(rounded.get(), half_elements(segments_.size(segment))))
      .first(segments_.size(segment) * sizeof(uint16_t));
}

void TensorStore::store_payload(BufferId buffer, SegmentId segment,
                                const ReceivedPayload& payload) {
  const uint32_t size = segments_.size(segment);
  Block block = pool_.take();
  copy_payload({block.get(), size}, payload, copy_kind(segments_.elements));
  const bool fresh = buffers_.emplace(buffer, Buffer{std::move(block), size}).second;
  CHECK(fresh);
}

void TensorStore::add_payload(BufferId buffer, const ReceivedPayload& payload) {
  Buffer& into = buffers_.at(buffer);
  ballast::add_payload(writable(into.block, into.size), payload);
}

void TensorStore::add_buffer(BufferId into, BufferId from) {
  Buffer& target = buffers_.at(into);
  const Buffer& source = buffers_.at(from);
  add_into(writable(target.block, target.size), {source.block.get(), source.size});
  release(from);
}

void TensorStore::release(BufferId buffer) { buffers_.erase(buffer); }

std::function<Summary()> TensorStore::summarise(BufferId buffer) const {
  return [values = buffers_.at(buffer)] {
    return ballast::summarise({values.block.get(), values.size});
  };
}

void TensorStore::initialise(SegmentId segment, const ReceivedPayload& payload) {
  copy_payload(array_of(segment, 0), payload);
  for (uint32_t state = 1; state <= states_; ++state) {
    const std::span<float> values = array_of(segment, static_cast<uint8_t>(state));
    std::fill(values.begin(), values.end(), 0.0f);
  }
}

std::function<void()> TensorStore::apply(const Apply& apply) {
  const Buffer root = buffers_.at(apply.root);
  buffers_.erase(apply.root);
  if (!apply.record.apply) return nullptr;
  Held& held = held_.at(apply.segment);
  const uint32_t size = segments_.size(apply.segment);
  OptimizerView view{
      .parameters = writable(held.arrays[0], size), .states = {}, .root = {root.block.get(), size}};
  for (uint32_t state = 0; state < states_; ++state) {
    view.states[state] = writable(held.arrays[state + 1], size);
  }
  std::span<std::byte> rounded;  // while the values are in the caches
  if (held.rounded != nullptr) {
    held.rounded = rounded_pool_.take();
    rounded = bytes_of(held.rounded, apply.segment);
  }
  return [this, view, root, held, rounded, record = apply.record,
          begin = segments_.begin(apply.segment)] {
    apply_record_to_segment(training_.optimizer, record, groups_, begin, view);
    if (!rounded.empty()) round_to_bfloat16(rounded, view.parameters);
  };
}

void TensorStore::store_copy_part(SegmentId segment, uint8_t part, const ReceivedPayload& payload) {
  if (part > states_) return;
  copy_payload(array_of(segment, part), payload);
}

void TensorStore::restore(SegmentId segment, std::span<const std::span<const float>> arrays) {
  CHECK(arrays.size() == states_ + size_t{1});
  for (size_t part = 0; part < arrays.size(); ++part) {
    const std::span<float> values = array_of(segment, static_cast<uint8_t>(part));
    CHECK(arrays[part].size() == values.size());
    std::copy(arrays[part].begin(), arrays[part].end(), values.begin());
  }
}

OutgoingPayload TensorStore::payload(const PayloadSource& source) {
  const auto whole = [](const Block& block, uint32_t size) {
    return block == nullptr ? OutgoingPayload{}
                            : OutgoingPayload{.values = {block.get(), size}, .owner = block};
  };
  if (const auto* from = std::get_if<FromBuffer>(&source)) {
    const auto found = buffers_.find(from->buffer);
    return found == buffers_.end() ? OutgoingPayload{}
                                   : whole(found->second.block, found->second.size);
  }
  if (const auto* from = std::get_if<FromParameters>(&source)) {
    Held& held = held_.at(from->segment);
    const uint32_t size = segments_.size(from->segment);
    if (from->precision == Precision::kFp32 || held.arrays[0] == nullptr) {
      return whole(held.arrays[0], size);
    }
    if (held.rounded == nullptr) {
      held.rounded = rounded_pool_.take();
      round_to_bfloat16(bytes_of(held.rounded, from->segment), {held.arrays[0].get(), size});
    }
    return {.values = {}, .owner = held.rounded, .rounded = bytes_of(held.rounded, from->segment)};
  }
  if (const auto* from = std::get_if<FromState>(&source)) {
    return whole(held_.at(from->segment).arrays.at(from->index + size_t{1}),
                 segments_.size(from->segment));
  }
  return {};
}

std::vector<OutgoingPayload> TensorStore::capture(SegmentId segment) const {
  std::vector<OutgoingPayload> all;
  if (segment >= held_.size()) return all;
  for (uint32_t part = 0; part <= states_; ++part) {
    const Block& block = held_[segment].arrays[part];
    if (block == nullptr) return {};
    all.push_back({.values = {block.get(), segments_.size(segment)}, .owner = block});
  }
  return all;
}

void TensorStore::flip_bit(SegmentId segment) {
  held_.at(segment).rounded = nullptr;
  const std::span<float> values = writable(held_.at(segment).arrays.at(0), segments_.size(segment));
  values[0] = std::bit_cast<float>(std::bit_cast<uint32_t>(values[0]) ^ (1u << 21));
}

std::function<uint64_t()> TensorStore::checksum(SegmentId segment) const {
  return [arrays = capture(segment)] {
    Xxh3 sum;
    for (const OutgoingPayload& array : arrays) sum.update(std::as_bytes(array.values));
    return sum.digest_64();
  };
}

size_t TensorStore::held_segments() const {
  return static_cast<size_t>(std::count_if(
      held_.begin(), held_.end(), [](const Held& held) { return held.arrays[0] != nullptr; }));
}

}  // namespace ballast
