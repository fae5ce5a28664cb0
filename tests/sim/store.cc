#include "tests/sim/store.h"

#include <algorithm>
#include <bit>
#include <span>

#include <fmt/format.h>

#include "common/checksum.h"
#include "services/server/optimizer.h"
#include "services/server/reduction.h"

namespace ballast::sim {
namespace {

// Values that messages in flight still refer to are copied before they change.
std::vector<float>& own(std::shared_ptr<std::vector<float>>& values) {
  if (values.use_count() > 1) {
    values = std::make_shared<std::vector<float>>(*values);
  }
  return *values;
}

std::shared_ptr<std::vector<float>> copy_of(const Values& values) {
  return std::make_shared<std::vector<float>>(*values);
}

}  // namespace

std::string SimStore::configure(const Configure& effect) {
  segments_ = {effect.identity.layout.elements, effect.training.segment_elements};
  training_ = effect.training;
  groups_ = group_ranges(effect.identity.layout);
  replicas_.assign(segments_.count(), std::nullopt);
  return "";
}

std::string SimStore::check_size(SegmentId segment, const Values& payload) const {
  if (segment >= replicas_.size()) {
    return fmt::format("segment {} of {}", segment, replicas_.size());
  }
  if (!payload || payload->size() != segments_.size(segment)) {
    return fmt::format("segment {}: payload of {} elements, expected {}", segment,
                       payload ? payload->size() : 0, segments_.size(segment));
  }
  return "";
}

std::string SimStore::store_payload(const StorePayload& effect, const Values& payload) {
  if (std::string error = check_size(effect.segment, payload); !error.empty()) {
    return error;
  }
  if (effect.buffer == 0 || !buffers_.emplace(effect.buffer, copy_of(payload)).second) {
    return fmt::format("buffer {} is used again", effect.buffer);
  }
  return "";
}

std::string SimStore::add_payload(const AddPayload& effect, const Values& payload) {
  if (std::string error = check_size(effect.segment, payload); !error.empty()) {
    return error;
  }
  const auto found = buffers_.find(effect.buffer);
  if (found == buffers_.end() || found->second->size() != payload->size()) {
    return fmt::format("payload added into buffer {}, which is not there", effect.buffer);
  }
  add_into(own(found->second), *payload);
  return "";
}

std::string SimStore::add_buffer(const AddBuffer& effect) {
  const auto into = buffers_.find(effect.into);
  const auto from = buffers_.find(effect.from);
  if (into == buffers_.end() || from == buffers_.end() || into == from ||
      into->second->size() != from->second->size()) {
    return fmt::format("buffer {} added into {}", effect.from, effect.into);
  }
  add_into(own(into->second), *from->second);
  buffers_.erase(from);
  return "";
}

std::string SimStore::release(const Release& effect) {
  return buffers_.erase(effect.buffer) == 1
             ? ""
             : fmt::format("buffer {} released, which is not there", effect.buffer);
}

std::string SimStore::summarise_root(const Summarise& effect, Summarised& answer) const {
  const auto found = buffers_.find(effect.buffer);
  if (found == buffers_.end()) {
    return fmt::format("buffer {} summarised, which is not there", effect.buffer);
  }
  const Summary summary = summarise(*found->second);
  answer = {effect.segment, effect.step, effect.buffer, summary.sum_squares, summary.finite, 0};
  if (effect.checksum) {
    answer.checksum = checksum(effect.segment);
  }
  return "";
}

std::string SimStore::initialise(const InitialiseSegment& effect, const Values& payload) {
  if (std::string error = check_size(effect.segment, payload); !error.empty()) {
    return error;
  }
  Replica replica;
  replica.parameters = copy_of(payload);
  for (uint32_t i = 0; i < state_count(training_.optimizer); ++i) {
    replica.states[i] = std::make_shared<std::vector<float>>(payload->size());
  }
  replica.version = 0;
  replicas_[effect.segment] = std::move(replica);
  return "";
}

std::string SimStore::apply(const Apply& effect) {
  const Record& record = effect.record;
  if (effect.segment >= replicas_.size() || !replicas_[effect.segment]) {
    return fmt::format("segment {}: a record for a replica that is not there", effect.segment);
  }
  Replica& replica = *replicas_[effect.segment];
  if (replica.version != record.step) {
    return fmt::format("segment {}: the record of step {} applied to version {}", effect.segment,
                       record.step, replica.version ? static_cast<int64_t>(*replica.version) : -1);
  }
  const auto root = buffers_.find(effect.root);
  if (root == buffers_.end() || root->second->size() != replica.parameters->size()) {
    return fmt::format("segment {}: root {} is not there", effect.segment, effect.root);
  }
  if (record.apply) {
    OptimizerView view{own(replica.parameters), {}, *root->second};
    for (uint32_t i = 0; i < state_count(training_.optimizer); ++i) {
      view.states[i] = own(replica.states[i]);
    }
    apply_record_to_segment(training_.optimizer, record, groups_, segments_.begin(effect.segment),
                            view);
  }
  buffers_.erase(root);
  replica.version = record.step + 1;
  return "";
}

std::string SimStore::copy_part(const StoreCopyPart& effect, Step version, const Values& payload) {
  if (std::string error = check_size(effect.segment, payload); !error.empty()) {
    return error;
  }
  const uint32_t parts = 1 + state_count(training_.optimizer);
  if (effect.part >= parts) {
    return fmt::format("segment {}: part {} of {}", effect.segment, effect.part, parts);
  }
  std::optional<Replica>& slot = replicas_[effect.segment];
  if (slot && slot->version) {
    slot.reset();  // a copy replaces what was there
  }
  if (!slot) {
    slot.emplace();
  }
  (effect.part == 0 ? slot->parameters : slot->states[effect.part - 1u]) = copy_of(payload);
  slot->copied[effect.part] = version;
  if (std::all_of(slot->copied.begin(), slot->copied.begin() + parts,
                  [version](const auto& copied) { return copied == version; })) {
    slot->version = version;
  }
  return "";
}

std::string SimStore::drop(const DropSegment& effect) {
  if (effect.segment >= replicas_.size()) {
    return fmt::format("segment {} dropped, there are {}", effect.segment, replicas_.size());
  }
  replicas_[effect.segment].reset();
  return "";
}

std::string SimStore::restore(SegmentId segment, Step version, const Values& parameters,
                              const std::vector<Values>& states) {
  if (segment >= replicas_.size()) {
    return fmt::format("segment {} restored, there are {}", segment, replicas_.size());
  }
  Replica& made = replicas_[segment].emplace();
  made.version = version;
  made.parameters = std::make_shared<std::vector<float>>(*parameters);
  for (size_t i = 0; i < states.size(); ++i) {
    made.states[i] = std::make_shared<std::vector<float>>(*states[i]);
  }
  return "";
}

Values SimStore::read(const PayloadSource& source) const {
  if (const auto* from = std::get_if<FromBuffer>(&source)) {
    const auto found = buffers_.find(from->buffer);
    return found == buffers_.end() ? nullptr : found->second;
  }
  if (const auto* from = std::get_if<FromParameters>(&source)) {
    const Replica* found = replica(from->segment);
    if (found == nullptr || from->precision == Precision::kFp32) {
      return found == nullptr ? nullptr : found->parameters;
    }
    return std::make_shared<std::vector<float>>(as_pulled(*found->parameters, from->precision));
  }
  if (const auto* from = std::get_if<FromState>(&source)) {
    const Replica* found = replica(from->segment);
    return found == nullptr || from->index >= 2 ? nullptr : found->states[from->index];
  }
  return nullptr;
}

uint64_t SimStore::checksum(SegmentId segment) const {
  Xxh3 sum;
  if (const Replica* found = replica(segment); found != nullptr) {
    sum.update(std::as_bytes(std::span<const float>(*found->parameters)));
    for (uint32_t i = 0; i < state_count(training_.optimizer); ++i) {
      sum.update(std::as_bytes(std::span<const float>(*found->states[i])));
    }
  }
  return sum.digest_64();
}

void SimStore::flip_bit(SegmentId segment, uint64_t element, uint32_t bit) {
  std::vector<float>& values = own(replicas_[segment]->parameters);
  float& value = values[element % values.size()];
  value = std::bit_cast<float>(std::bit_cast<uint32_t>(value) ^ (1u << bit));
}

const Replica* SimStore::replica(SegmentId segment) const {
  return segment < replicas_.size() && replicas_[segment] ? &*replicas_[segment] : nullptr;
}

}  // namespace ballast::sim
