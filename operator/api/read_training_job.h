// From a document to a TrainingJob: types, unknown keys, defaults, then validate(). All problems of
// a document come at once, in the order of its lines. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "operator/api/document.h"
#include "operator/api/problem.h"
#include "operator/api/training_job.h"

namespace ballast::api {

using Problems = std::vector<Problem>;

tl::expected<TrainingJob, Problems> read_training_job(const Node& document);

// Text to job, with `--set` assignments in between ("spec.workers.replicas=3").
tl::expected<TrainingJob, Problems> read_training_job_yaml(
    std::string_view text, const std::vector<std::string>& overrides = {});
tl::expected<TrainingJob, Problems> read_training_job_json(std::string_view text);

// The same job for every reader: read_training_job_json(to_json(job).dump()) gives the job back.
nlohmann::json to_json(const TrainingJob& job);

}  // namespace ballast::api
