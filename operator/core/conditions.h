// What a status tells people and programs of a job that has no say in what is done: conditions and
// figures. Pure functions.
#pragma once

#include "operator/core/draft.h"

namespace ballast::decide {

// Whether the wanted processes exist, are ready, or are being replaced or scaled.
void tell_processes(Draft& draft);
// What policies recommend, and why they hold still.
void tell_policies(Draft& draft);
// Step, loss, checkpoint, and whether replicas are missing, as the coordinator reports them.
void tell_progress(Draft& draft);

}  // namespace ballast::decide
