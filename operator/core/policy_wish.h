// What policies wish becomes part of the plan, as far as the spec lets them act: `spec` is never
// written, and a policy that acts no more leaves nothing behind. Pure functions.
#pragma once

#include "operator/core/observed.h"

namespace ballast::decide {

// Into the status that will stand; plan_number is not touched.
void take_wish(const Observed& observed, api::TrainingJobStatus& status);

// How many workers there are to be: as the spec says, or as a policy wished within its bounds.
// Whoever sets spec.workers.replicas anew is heard first.
int64_t wanted_workers(const api::TrainingJobSpec& spec, const api::TrainingJobStatus& status);

}  // namespace ballast::decide
