// The values behind the server machine's names: segments with parameters and optimizer states, and
// buffers of gradients. Performs store effects; decides nothing.
//
// Invariant: what payload() returned keeps its values until its owner is released: whatever is
// written later goes to another block. Thread rule: one thread at a time; payloads that it returned
// may be released on any.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <unordered_map>
#include <vector>

#include "services/core/effects.h"
#include "services/core/layout.h"
#include "services/server/reduction.h"
#include "services/transport/block_pool.h"
#include "services/transport/payload.h"

namespace ballast {

class TensorStore {
 public:
  TensorStore();

  void configure(const JobIdentity& identity, const TrainingSettings& training);
  void drop(SegmentId segment);

  // The payload has the segment's size; the machine never names a buffer twice.
  void store_payload(BufferId buffer, SegmentId segment, const ReceivedPayload& payload);
  void add_payload(BufferId buffer, const ReceivedPayload& payload);
  void add_buffer(BufferId into, BufferId from);  // releases `from`
  void release(BufferId buffer);
  // To be called where it suits; it holds the buffer's memory until it is released.
  std::function<Summary()> summarise(BufferId buffer) const;

  void initialise(SegmentId segment, const ReceivedPayload& payload);  // states <- 0
  // Releases the root. What is left to do, on any thread, before anything else touches the segment;
  // empty: nothing, the record does not apply.
  std::function<void()> apply(const Apply& apply);
  void store_copy_part(SegmentId segment, uint8_t part, const ReceivedPayload& payload);

  // The values of a checkpoint: parameters, then each state.
  void restore(SegmentId segment, std::span<const std::span<const float>> arrays);

  // What a Send's payload source names, as it is now. Empty for monostate and for what is not here.
  // Rounded once a version, however many ask: from the second version on by apply()'s task.
  OutgoingPayload payload(const PayloadSource& source);
  // Parameters, then each state, as they are now (once the optimizer is done with what it has in
  // hand); empty where the segment is not here.
  std::vector<OutgoingPayload> capture(SegmentId segment) const;

  void flip_bit(SegmentId segment);  // for tests of faults: of its first parameter
  // XXH3 over what capture() gives, to be called where it suits.
  std::function<uint64_t()> checksum(SegmentId segment) const;

  const Segments& segments() const { return segments_; }
  const JobIdentity& identity() const { return identity_; }
  const TrainingSettings& training() const { return training_; }
  size_t buffers() const { return buffers_.size(); }
  size_t held_segments() const;
  uint64_t reserved_bytes() const {
    return pool_.reserved_bytes() + rounded_pool_.reserved_bytes();
  }

 private:
  struct Buffer {
    Block block;
    uint32_t size = 0;
  };
  struct Held {
    std::array<Block, 1 + kMaxOptimizerStates> arrays;  // parameters, states; null: not here
    Block rounded;  // bytes of the parameters as bfloat16; null: nobody has asked for them so
  };

  std::span<float> writable(Block& block, uint32_t size);
  std::span<float> array_of(SegmentId segment, uint8_t part);
  std::span<std::byte> bytes_of(const Block& rounded, SegmentId segment) const;

  JobIdentity identity_;
  TrainingSettings training_;
  Segments segments_;
  std::vector<GroupRange> groups_;
  uint32_t states_ = 0;
  BlockPool pool_;
  BlockPool rounded_pool_;
  std::vector<Held> held_;  // by SegmentId
  std::unordered_map<BufferId, Buffer> buffers_;
};

}  // namespace ballast
