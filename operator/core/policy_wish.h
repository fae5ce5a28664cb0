// What policies wish becomes part of the plan, as far as the spec lets them act: `spec` is never
// written, and a policy that acts no more leaves nothing behind. Pure functions.
#pragma once

#include "operator/core/observed.h"

namespace ballast::decide {

// Into the status that will stand; plan_number is not touched.
void take_wish(const Observed& observed, api::TrainingJobStatus& status);

// The same of workers that are to be replaced; planned_workers is in `status` already.
void take_replacements(const Observed& observed, api::TrainingJobStatus& status);

// The same of memory that was raised.
void take_memory(const Observed& observed, api::TrainingJobStatus& status);

// Whether this life is to make room for the next one.
bool is_replaced(const api::TrainingJobStatus& status, const Process& process);

// How many workers there are to be: as the spec says, or as a policy wished within its bounds.
// Whoever sets spec.workers.replicas anew is heard first.
int64_t wanted_workers(const api::TrainingJobSpec& spec, const api::TrainingJobStatus& status);
// The same of servers. Never fewer than replication needs.
int64_t wanted_servers(const api::TrainingJobSpec& spec, const api::TrainingJobStatus& status);
int64_t most_servers(const api::TrainingJobSpec& spec);
int64_t fewest_servers(const api::TrainingJobSpec& spec);

}  // namespace ballast::decide
