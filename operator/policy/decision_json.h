// A decision as JSON, for events and audit lines. Pure function.
#pragma once

#include <nlohmann/json.hpp>

#include "operator/policy/decision.h"

namespace ballast::policy {

// {"policy":"workerBalance","action":"change","reason":"SpeedsDiffer","message":"...",
//  "carriedOut":true,"inputs":{"seconds_now":1.5}}
nlohmann::json to_json(const Decision& decision);

}  // namespace ballast::policy
