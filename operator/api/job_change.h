// What may change of a job while it runs, and what an edit of its file changes. Fields whose
// default follows from others keep the value that the job began with. Pure functions.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "operator/api/read_training_job.h"

namespace ballast::api {

using Changes = std::map<std::string, nlohmann::json>;  // "spec.workers.replicas" -> 3; null: gone

// A later state of the file of a running job.
tl::expected<TrainingJob, Problems> read_edited_yaml(std::string_view text,
                                                     const std::vector<std::string>& overrides,
                                                     const TrainingJob& running);

Changes changes_between(const TrainingJob& before, const TrainingJob& after);

// The job with the changes; problems name fields that are fixed while it runs, steps that shrink,
// and whatever a new job would be refused for.
tl::expected<TrainingJob, Problems> changed_job(const TrainingJob& running, const Changes& changes);

// "spec.workers.replicas: 2 -> 3, ..."
std::string describe(const Changes& changes, const TrainingJob& before);

}  // namespace ballast::api
