// Deliberate defects, made between the machines and the world: proof that the simulator sees. Each
// must be caught within a few thousand seeds.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace ballast::sim {

enum class Mutation : uint8_t {
  kNone,
  kAcknowledgeBeforeStoring,  // a push is acknowledged, and its bytes are lost
  kCountMicrobatchTwice,      // a contribution is added twice
  kTermUnchecked,             // servers take what lower terms send as of their own
  kRecordNotKept,             // a server says that it holds a record, and does not
  kRootNotKept,               // a backup says that it is prepared, and holds no root
  kRecordForgottenInSeal,     // a server does not report its records when it is sealed
  kRemovedWithoutStatus,      // a coordinator goes on without a lost member that status still lists
};

inline const std::map<std::string, Mutation> kMutations = {
    {"none", Mutation::kNone},
    {"acknowledge-before-storing", Mutation::kAcknowledgeBeforeStoring},
    {"count-microbatch-twice", Mutation::kCountMicrobatchTwice},
    {"term-unchecked", Mutation::kTermUnchecked},
    {"record-not-kept", Mutation::kRecordNotKept},
    {"root-not-kept", Mutation::kRootNotKept},
    {"record-forgotten-in-seal", Mutation::kRecordForgottenInSeal},
    {"removed-without-status", Mutation::kRemovedWithoutStatus}};

}  // namespace ballast::sim
