// What a status tells people and programs of a job that has no say in what is done: conditions and
// figures. Pure functions.
#pragma once

#include "operator/core/draft.h"

namespace ballast::decide {

// For so long after a job's start that all pods were created is told only with something else: most
// jobs run soon, and among hundreds of them a write that nobody waits for is in everybody's way.
inline constexpr TimeMs kCreatedPatienceMs = 5'000;

// Whether the wanted processes are ready, or are being replaced or scaled.
void tell_processes(Draft& draft);
// What policies recommend, and why they hold still.
void tell_policies(Draft& draft);
// Step, loss, checkpoint, and whether replicas are missing, as the coordinator reports them.
void tell_progress(Draft& draft);

// Whether the wanted processes exist. After all else, since it may wait for another write.
void tell_created(Draft& draft);
// From when on that is told by itself.
TimeMs created_is_told_ms(const Observed& observed, const api::TrainingJobStatus& status);

}  // namespace ballast::decide
