// The checkpoints of a job as its status lists them: what is complete is read back; then what is
// too much may go, oldest first, and never the last one that is known to be whole. Nothing begins
// before the newest that is whole is known, and, where servers alone see them and a job is to go on
// from another's checkpoints, before those are. Pure functions.
#pragma once

#include <string>

#include "operator/core/draft.h"

namespace ballast::decide {

void list_checkpoints(Draft& draft);

bool is_unread(const api::CheckpointStatus& checkpoint);
// Whether any is still to be read back or deleted.
bool checkpoints_are_open(const api::TrainingJobStatus& status);

// Whether it is still to be found where the job may go on (spec.checkpoint.resume).
bool seeks_checkpoint(const Observed& observed, const api::TrainingJobStatus& status);
void take_found(Draft& draft);

// The last of those that are known to be whole; empty: none is.
std::string newest_whole(const api::TrainingJobStatus& status);
// Before parameters begin anew: which checkpoint they begin with. False: it is not known yet.
bool choose_restore(Draft& draft);

}  // namespace ballast::decide
