// How much memory a process of a cluster may have: as its template says, or as it was raised after
// a kill. Pure functions.
#pragma once

#include <cstdint>

#include "operator/core/observed.h"

namespace ballast::kube {

// In bytes; 0: there is no limit, or none that can be read.
uint64_t memory_limit(const api::TrainingJobSpec& spec, const api::TrainingJobStatus& status,
                      decide::Role role, int64_t index);

}  // namespace ballast::kube
