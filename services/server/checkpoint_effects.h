// Performs the checkpoint effects: one server's part from its tensor store, and the manifest over
// all parts. Blocking disk writes; called by whoever owns the store.
#pragma once

#include <string>

#include "services/core/effects.h"
#include "services/server/tensor_store.h"

namespace ballast {

CheckpointWritten save_part(const SaveCheckpointPart& effect, const std::string& job_uid,
                            const std::string& server, const TensorStore& store);
ManifestWritten save_manifest(const SaveManifest& effect, const std::string& job_uid);

}  // namespace ballast
