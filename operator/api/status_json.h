// The status in JSON: what the local store file holds, and later the status subresource. Reading
// checks every type and never throws. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "common/error.h"
#include "operator/api/status.h"

namespace ballast::api {

// "Running"
const char* to_string(ConditionType type);

std::string status_to_json(const TrainingJobStatus& status);
Result<TrainingJobStatus> status_from_json(std::string_view text);

}  // namespace ballast::api
