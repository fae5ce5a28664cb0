// An origin that begins with a checkpoint: each replica in sync reads its own segments.
#include <algorithm>
#include <iterator>

#include "services/core/server_steps.h"

namespace ballast::server {
namespace {

std::vector<SegmentId> unfilled(const ServerState& state) {
  std::vector<SegmentId> segments;
  for (SegmentId segment = 0; segment < state.replicas.size(); ++segment) {
    const Replica& replica = state.replicas[segment];
    const bool in_sync =
        replica.role == ReplicaRole::kPrimary || replica.role == ReplicaRole::kBackup;
    if (in_sync && !replica.filled) {
      segments.push_back(segment);
    }
  }
  return segments;
}

}  // namespace

// Also on ticks: the map may have given it more, or the disk failed.
void start_restore(Run& run) {
  ServerState& state = run.state;
  if (!state.active() || !state.restore || state.restoring || !state.initialising()) {
    return;
  }
  auto segments = unfilled(state);
  if (!segments.empty()) {
    state.restoring = true;
    run.out.push_back(OpenCheckpoint{state.restore->directory, std::move(segments)});
  }
}

void on_checkpoint_opened(Run& run, const CheckpointOpened& event) {
  ServerState& state = run.state;
  if (!state.restore || !state.restoring || event.directory != state.restore->directory) {
    return;
  }
  state.restoring = false;
  if (!event.error.empty()) {
    run.out.push_back(FactRefused{state.self, "checkpoint: " + event.error});
    return;
  }
  if (!state.active() || !state.initialising()) {
    return;
  }
  std::vector<SegmentId> segments;
  const auto wanted = unfilled(state);
  std::set_intersection(wanted.begin(), wanted.end(), event.segments.begin(), event.segments.end(),
                        std::back_inserter(segments));
  for (const SegmentId segment : segments) {
    state.replicas[segment].filled = true;
    state.replicas[segment].version = state.restore->version;
  }
  run.out.push_back(RestoreSegments{event.directory, std::move(segments)});
  send_initialised(run);
}

}  // namespace ballast::server
