// What a status tells people and programs of a job that has no say in what is done: conditions and
// figures. Pure functions.
#pragma once

#include "operator/core/draft.h"

namespace ballast::decide {

// Whether every wanted process is ready.
void tell_readiness(Draft& draft);
// Step, loss, checkpoint, and whether replicas are missing, as the coordinator reports them.
void tell_progress(Draft& draft);

}  // namespace ballast::decide
