#include "services/transport/hello.h"

#include <array>

#include <fmt/format.h>

#include "common/checksum.h"

namespace ballast {
namespace {

// By index in Message, which is the order of messages.h.
constexpr std::array<std::string_view, std::variant_size_v<Message>> kNames = {"Appoint",
                                                                               "MembersChanged",
                                                                               "OriginComplete",
                                                                               "PlanChanged",
                                                                               "AskRemove",
                                                                               "AskOrigin",
                                                                               "Progress",
                                                                               "VerifyCheckpoint",
                                                                               "DeleteCheckpoint",
                                                                               "FindCheckpoint",
                                                                               "CheckpointVerified",
                                                                               "CheckpointDeleted",
                                                                               "CheckpointsFound",
                                                                               "Seal",
                                                                               "SealRefused",
                                                                               "Sealed",
                                                                               "MapUpdate",
                                                                               "MapAck",
                                                                               "InitialisedReport",
                                                                               "Prepared",
                                                                               "OfferRecord",
                                                                               "RecordHeld",
                                                                               "Commit",
                                                                               "Applied",
                                                                               "CaughtUp",
                                                                               "WriteCheckpoint",
                                                                               "CheckpointWritten",
                                                                               "Join",
                                                                               "JoinAccepted",
                                                                               "JoinRefused",
                                                                               "Redirect",
                                                                               "Assignment",
                                                                               "EvaluationDone",
                                                                               "WorkerHeartbeat",
                                                                               "Finish",
                                                                               "Push",
                                                                               "PushAck",
                                                                               "Pull",
                                                                               "PullReply",
                                                                               "PushInitial",
                                                                               "PushInitialAck",
                                                                               "Root",
                                                                               "RootAck",
                                                                               "Copy",
                                                                               "CopyAck"};

template <typename... Types>
bool is_any(const Message& message) {
  return (std::holds_alternative<Types>(message) || ...);
}

}  // namespace

std::string_view to_string(Role role) {
  switch (role) {
    case Role::kOperator:
      return "operator";
    case Role::kServer:
      return "server";
    case Role::kWorker:
      return "worker";
    case Role::kUnknown:
      break;
  }
  return "unknown";
}

Role parse_role(std::string_view name) {
  for (Role role : {Role::kOperator, Role::kServer, Role::kWorker}) {
    if (name == to_string(role)) return role;
  }
  return Role::kUnknown;
}

Result<PeerIdentity> parse_identity(std::string_view uri) {
  constexpr std::string_view kPrefix = "spiffe://ballast/";
  const auto wrong = [&](std::string_view what) {
    return fail(ErrorCode::kDenied, fmt::format("certificate identity '{}': {}; expected "
                                                "spiffe://ballast/<namespace>/<job UID>/<role>",
                                                uri.substr(0, 256), what));
  };
  if (!uri.starts_with(kPrefix)) return wrong("other scheme or trust domain");
  const std::string_view path = uri.substr(kPrefix.size());
  const size_t first = path.find('/');
  const size_t second = first == path.npos ? path.npos : path.find('/', first + 1);
  if (second == path.npos) return wrong("fewer than three parts");
  PeerIdentity identity{.name_space = std::string(path.substr(0, first)),
                        .job_uid = std::string(path.substr(first + 1, second - first - 1)),
                        .role = parse_role(path.substr(second + 1))};
  if (identity.job_uid.empty()) return wrong("the job UID is empty");
  if (identity.role == Role::kUnknown) return wrong("no such role");
  return identity;
}

Result<void> check_hello(const Hello& self, const Hello& peer) {
  const auto refuse = [](std::string text) { return fail(ErrorCode::kDenied, std::move(text)); };
  if (peer.protocol != self.protocol) {
    return refuse(fmt::format("{} speaks protocol version {}, {} speaks {}", peer.from.name,
                              peer.protocol, self.from.name, self.protocol));
  }
  if (peer.job_uid != self.job_uid) {
    return refuse(fmt::format("{} belongs to job '{}', {} to job '{}'", peer.from.name,
                              peer.job_uid, self.from.name, self.job_uid));
  }
  if (peer.role == Role::kUnknown) return refuse("Hello names no role");
  if (peer.from.name.empty() || peer.from.name.size() > 253) {
    return refuse("Hello names no process, or one of more than 253 bytes");
  }
  if (peer.role != Role::kOperator && peer.from.incarnation == 0) {
    return refuse(fmt::format("{} has no incarnation", peer.from.name));
  }
  if (!peer.build.empty() && !self.build.empty() && peer.build != self.build) {
    return refuse(fmt::format("{} is build '{}', {} is build '{}'", peer.from.name, peer.build,
                              self.from.name, self.build));
  }
  return {};
}

Result<void> check_identity(const PeerIdentity& certificate, const Hello& peer) {
  if (certificate.role != peer.role) {
    return fail(ErrorCode::kDenied,
                fmt::format("{} says that it is a {}, its certificate that it is a {}",
                            peer.from.name, to_string(peer.role), to_string(certificate.role)));
  }
  if (certificate.job_uid != peer.job_uid) {
    return fail(ErrorCode::kDenied,
                fmt::format("{} says that it belongs to job '{}', its certificate to job '{}'",
                            peer.from.name, peer.job_uid, certificate.job_uid));
  }
  return {};
}

bool may_send(Role sender, const Message& message) {
  switch (sender) {
    case Role::kOperator:
      return is_any<Appoint, MembersChanged, OriginComplete, PlanChanged, VerifyCheckpoint,
                    DeleteCheckpoint, FindCheckpoint>(message);
    case Role::kWorker:
      return is_any<Join, EvaluationDone, WorkerHeartbeat, Push, Pull, PushInitial>(message);
    case Role::kServer:
      return !may_send(Role::kOperator, message) &&
             !is_any<Join, EvaluationDone, WorkerHeartbeat, Push, Pull>(message);
    case Role::kUnknown:
      break;
  }
  return false;
}

std::string_view message_name(const Message& message) { return kNames[message.index()]; }

bool is_data(const Message& message) {
  return is_any<Push, PushAck, Pull, PullReply, PushInitial, PushInitialAck, Root, RootAck, Copy,
                CopyAck>(message);
}

uint64_t job_hash(std::string_view job_uid) { return xxh3_64(as_bytes(job_uid)); }

}  // namespace ballast
