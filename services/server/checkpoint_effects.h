// What a server writes to a checkpoint and reads from one. Values are captured on the loop's
// thread, which costs no copy (the next record is applied to other blocks), and written on another.
// Each function is for one thread at a time; what is captured belongs to whoever holds it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "services/checkpoint/checkpoint.h"
#include "services/core/effects.h"
#include "services/server/tensor_store.h"

namespace ballast {

// One server's part of a checkpoint, as it was when the order was performed.
struct CapturedPart {
  SaveCheckpointPart effect;
  PartHeader header;
  std::vector<std::string> states;
  std::string file;
  std::vector<std::vector<OutgoingPayload>> arrays;  // by position in effect.order.segments
};

CapturedPart capture_part(const SaveCheckpointPart& effect, const std::string& job_uid,
                          const std::string& server, const TensorStore& store);
// Releases each segment's values as soon as they are written.
CheckpointWritten write_part(CapturedPart& part);
ManifestWritten save_manifest(const SaveManifest& effect, const std::string& job_uid);

// What is opened stays open until it is restored from.
struct OpenedCheckpoint {
  CheckpointOpened event;
  std::shared_ptr<const Checkpoint> checkpoint;  // null: event.error says why
};
OpenedCheckpoint open_checkpoint(const OpenCheckpoint& effect);
void restore_segments(const RestoreSegments& effect, const Checkpoint& checkpoint,
                      TensorStore& store);
ManifestRead read_manifest_for(const ReadManifest& effect);

}  // namespace ballast
