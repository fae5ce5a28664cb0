// A job's status as its status subresource shows it: figures and conditions for people and tools,
// and the authority's record, exact, as one string (its incarnations are wider than the API
// server's numbers). Pure functions.
#pragma once

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "operator/core/observed.h"

namespace ballast::kube {

// From the whole observation; `status` is what the record shall be.
nlohmann::json status_object(const decide::Observed& observed, const api::TrainingJobStatus& status,
                             int64_t generation);

// Of a TrainingJob that the API server gave; an empty status where nothing was written yet.
Result<api::TrainingJobStatus> record_of(const nlohmann::json& job);

}  // namespace ballast::kube
