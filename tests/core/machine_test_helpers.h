// What the tables of the machines have in common: small jobs, ways to hand a message to a machine,
// and ways to find an effect in what it answers.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "services/core/coordinator_machine.h"
#include "services/core/coordinator_state.h"
#include "services/core/segment_map.h"
#include "services/core/server_machine.h"
#include "services/core/server_state.h"
#include "services/core/worker_machine.h"
#include "services/core/worker_state.h"

namespace ballast::core_test {

inline constexpr uint32_t kSegmentElements = 16;
inline constexpr Term kTerm = 7;

inline const ProcessId kOperator{"operator", 0};
inline const ProcessId kPs0{"ps-0", 10};
inline const ProcessId kPs1{"ps-1", 11};
inline const ProcessId kPs2{"ps-2", 12};
inline const ProcessId kWorker0{"worker-0", 100};
inline const ProcessId kWorker1{"worker-1", 101};

inline JobIdentity identity(uint32_t segments) {
  Tensor tensor;
  tensor.name = "weights";
  tensor.shape = {uint64_t{segments} * kSegmentElements};
  JobIdentity result;
  result.layout = *make_layout({tensor});
  result.layout_hash = layout_hash(result.layout);
  result.data_fingerprint = "data";
  result.numerics_fingerprint = "numerics";
  return result;
}

inline TrainingSettings training(uint32_t replication = 1, uint32_t microbatches = 4) {
  TrainingSettings settings;
  settings.steps = 10;
  settings.microbatches = microbatches;
  settings.replication = replication;
  settings.segment_elements = kSegmentElements;
  settings.max_skipped_in_a_row = 2;
  return settings;
}

inline std::vector<Member> members(const std::vector<ProcessId>& ids) {
  std::vector<Member> result;
  for (const ProcessId& id : ids) {
    result.push_back({id, "unix:/" + id.name, ""});
  }
  return result;
}

inline SegmentMap map_of(MapVersion version, const std::vector<ProcessId>& servers,
                         std::vector<Placement> segments) {
  return {version, members(servers), std::move(segments)};
}

inline Event from(const ProcessId& sender, Message message) {
  return Received{{sender, {}, std::move(message)}};
}

// All messages of one type in the order of their effects.
template <typename M>
std::vector<M> sent(const Effects& effects) {
  std::vector<M> found;
  for (const Effect& effect : effects) {
    if (const auto* send = std::get_if<Send>(&effect)) {
      if (const auto* message = std::get_if<M>(&send->message)) {
        found.push_back(*message);
      }
    }
  }
  return found;
}

template <typename M>
std::vector<ProcessId> receivers(const Effects& effects) {
  std::vector<ProcessId> found;
  for (const Effect& effect : effects) {
    if (const auto* send = std::get_if<Send>(&effect)) {
      if (std::holds_alternative<M>(send->message)) {
        found.push_back(send->to);
      }
    }
  }
  return found;
}

template <typename M>
M only(const Effects& effects) {
  const auto found = sent<M>(effects);
  EXPECT_EQ(found.size(), 1u);
  return found.empty() ? M{} : found.front();
}

// All effects of one type (not messages).
template <typename E>
std::vector<E> done(const Effects& effects) {
  std::vector<E> found;
  for (const Effect& effect : effects) {
    if (const auto* one = std::get_if<E>(&effect)) {
      found.push_back(*one);
    }
  }
  return found;
}

struct EffectName {
  std::string operator()(const Send& e) const {
    if (std::holds_alternative<PushAck>(e.message)) return "ack";
    if (std::holds_alternative<PullReply>(e.message)) return "reply";
    if (std::holds_alternative<Root>(e.message)) return "root to " + e.to.name;
    if (std::holds_alternative<Prepared>(e.message)) return "prepared";
    if (std::holds_alternative<Applied>(e.message)) return "applied";
    if (std::holds_alternative<Commit>(e.message)) return "commit to " + e.to.name;
    if (std::holds_alternative<Assignment>(e.message)) return "assignment";
    return "send";
  }
  std::string operator()(const StorePayload& e) const {
    return "store " + std::to_string(e.buffer);
  }
  std::string operator()(const AddPayload& e) const { return "add to " + std::to_string(e.buffer); }
  std::string operator()(const AddBuffer& e) const {
    return "add " + std::to_string(e.from) + " to " + std::to_string(e.into);
  }
  std::string operator()(const Release& e) const { return "release " + std::to_string(e.buffer); }
  std::string operator()(const Summarise& e) const {
    return "summarise " + std::to_string(e.buffer);
  }
  std::string operator()(const Apply& e) const { return "apply " + std::to_string(e.segment); }
  std::string operator()(const Configure&) const { return "configure"; }
  std::string operator()(const InitialiseSegment& e) const {
    return "initialise " + std::to_string(e.segment);
  }
  std::string operator()(const StoreCopyPart& e) const { return "part " + std::to_string(e.part); }
  std::string operator()(const DropSegment& e) const { return "drop " + std::to_string(e.segment); }
  std::string operator()(const FactCommitted&) const { return "committed"; }
  std::string operator()(const FactRefused&) const { return "refused"; }
  template <typename T>
  std::string operator()(const T&) const {
    return "other";
  }
};

// What a list does, in one line: "store 3, add 3, sum 3, send, ..."; for tests of the order.
inline std::string outline(const Effects& effects) {
  std::string text;
  for (const Effect& effect : effects) {
    text += (text.empty() ? "" : ", ") + std::visit(EffectName{}, effect);
  }
  return text;
}

}  // namespace ballast::core_test
