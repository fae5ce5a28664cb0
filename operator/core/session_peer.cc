#include "operator/core/session_peer.h"

#include <algorithm>

#include "operator/core/advance.h"
#include "operator/core/checkpoint_list.h"
#include "operator/core/decide.h"
#include "operator/core/process_index.h"

namespace ballast::decide {
namespace {

bool answers(const Observed& observed, const Process& process, TimeMs patience_ms) {
  return process.role == Role::kServer && process.state == ProcessState::kReady &&
         process.incarnation != 0 && observed.now_ms - process.heard_ms < patience_ms;
}

api::MemberStatus as_member(const Process& process) {
  return {process_name(process.role, process.index), process.incarnation, process.address,
          process.node};
}

// The one of the session that is open, if it will do; else the first that will.
std::optional<api::MemberStatus> any_server(const Observed& observed) {
  const Process* first = nullptr;
  const ProcessIndex processes(observed);
  for (const Process* process : processes.all()) {
    if (observed.session && observed.session->incarnation == process->incarnation &&
        answers(observed, *process, kCoordinatorSilenceMs)) {
      return as_member(*process);
    }
    if (first == nullptr && answers(observed, *process, kSilenceToAgreeMs)) first = process;
  }
  if (first == nullptr) return std::nullopt;
  return as_member(*first);
}

}  // namespace

std::optional<api::MemberStatus> session_peer(const Observed& observed,
                                              const api::TrainingJobStatus& status) {
  const auto coordinator =
      std::find_if(status.members.begin(), status.members.end(), [&](const auto& member) {
        return member.name == status.coordinator &&
               member.incarnation == status.coordinator_incarnation;
      });
  const bool appointed = status.term > 0 && coordinator != status.members.end();
  const bool asks = observed.checkpoints_by_servers &&
                    (seeks_checkpoint(observed, status) || checkpoints_are_open(status));
  if (has_outcome(status) && !asks) return std::nullopt;
  if (appointed && has_outcome(status)) {
    const Process* process = find_process(observed, coordinator->name);
    const bool there = process != nullptr && process->incarnation == coordinator->incarnation &&
                       answers(observed, *process, kCoordinatorSilenceMs);
    if (!there) return any_server(observed);
  }
  if (appointed) return *coordinator;
  return asks ? any_server(observed) : std::nullopt;
}

}  // namespace ballast::decide
