// The deliberate defects of mutation.h. Each stands between a machine and its shell, so that the
// machines stay as they are; the checker sees what the machines said, not what was done.
#include "services/core/server_state.h"
#include "services/server/reduction.h"
#include "tests/sim/world.h"

namespace ballast::sim {
namespace {

constexpr uint32_t kSometimesPerMille = 20;

// Gives messages of a lower term the term that the server has promised.
struct RaiseTerm {
  Term promised;
  template <typename T>
  void operator()(T& message) const {
    if constexpr (requires { message.term; }) {
      if (message.term < promised) {
        message.term = promised;
      }
    }
    if constexpr (requires { message.map.version.term; }) {
      message.map.version.term = promised;
    } else if constexpr (requires { message.map.term; }) {
      message.map.term = promised;
    }
  }
};

}  // namespace

// True: the machine never sees the event.
bool World::mutate_arrival(Process& process, Event& event) {
  auto* received = std::get_if<Received>(&event);
  if (received == nullptr) {
    return mutate_loss(process, event);
  }
  const uint32_t index = index_of(process.id);
  const ProcessId from = received->envelope.from;
  Message& message = received->envelope.message;
  if (mutation_ == Mutation::kTermUnchecked) {
    const ServerState& state = process.server->state();
    const bool orders = std::holds_alternative<MapUpdate>(message) ||
                        std::holds_alternative<OfferRecord>(message) ||
                        std::holds_alternative<Commit>(message);
    if (orders && processes_[index_of(from)].coordinator_term < state.promised) {
      received->envelope.from = state.coordinator;  // whoever says so coordinates
    }
    std::visit(RaiseTerm{state.promised}, message);
  } else if (const auto* push = std::get_if<Push>(&message);
             push != nullptr && mutation_ == Mutation::kAcknowledgeBeforeStoring &&
             random_.chance(kSometimesPerMille)) {
    transmit(index, from,
             PushAck{push->term, push->step, push->node, push->segment, DataStatus::kOk, push->map,
                     push->step},
             nullptr);
    return true;
  } else if (const auto* offer = std::get_if<OfferRecord>(&message);
             offer != nullptr && mutation_ == Mutation::kRecordNotKept && from != process.id) {
    const RecordHeld held{offer->term, offer->record.step};
    checker_.sent(process.id, held, nullptr);
    transmit(index, from, held, nullptr);
    return true;
  } else if (const auto* root = std::get_if<Root>(&message);
             root != nullptr && mutation_ == Mutation::kRootNotKept) {
    const Summary sums = summarise(*reference_.node(root->step, 1, root->segment));
    const Prepared prepared{root->term, root->map,        root->step, root->segment,
                            root->sum,  sums.sum_squares, sums.finite};
    checker_.sent(process.id, prepared, nullptr);
    transmit(index, operator_.status().coordinator, prepared, nullptr);
    return true;
  }
  return false;
}

// The coordinator that hears of a lost server is told a list which nobody wrote.
bool World::mutate_loss(Process& process, const Event& event) {
  const auto* lost = std::get_if<PeerLost>(&event);
  if (lost == nullptr || mutation_ != Mutation::kRemovedWithoutStatus || !process.coordinator ||
      process.members.find(lost->peer) == nullptr) {
    return false;
  }
  MemberList list = process.members;
  std::erase_if(list.members, [&](const Member& member) { return member.id == lost->peer; });
  ++list.number;
  happen(0, index_of(process.id),
         Received{{processes_[kOperator].id, process.id,
                   MembersChanged{process.coordinator_term, list}}});
  return false;
}

// Changes an effect, or adds another one's work; called before it is performed.
void World::mutate_effect(Process& process, Effect& effect, const Values& payload) {
  if (const auto* added = std::get_if<AddPayload>(&effect);
      added != nullptr && mutation_ == Mutation::kCountMicrobatchTwice &&
      random_.chance(kSometimesPerMille)) {
    process.store.add_payload(*added, payload);
  } else if (auto* send = std::get_if<Send>(&effect);
             send != nullptr && mutation_ == Mutation::kRecordForgottenInSeal) {
    if (auto* sealed = std::get_if<Sealed>(&send->message)) {
      sealed->records.clear();
    }
  }
}

}  // namespace ballast::sim
