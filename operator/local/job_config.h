// From a TrainingJob to what its processes are told: the workers' file (proto/ballast/v1/job.proto
// in protobuf's JSON form) and the coordinator's settings. Pure functions.
#pragma once

#include <string>

#include "ballast/v1/control.pb.h"
#include "ballast/v1/job.pb.h"
#include "operator/api/status.h"
#include "operator/api/training_job.h"

namespace ballast::local {

// The job has passed validate().
v1::JobConfig job_config(const api::TrainingJob& job);
std::string job_config_json(const api::TrainingJob& job);

v1::TrainingSettings training_settings(const api::TrainingJob& job);
v1::MemberList member_list(const api::TrainingJobStatus& status);
v1::Appoint appoint_message(const api::TrainingJob& job, const api::TrainingJobStatus& status);
v1::PlanChanged plan_message(const api::TrainingJob& job, const api::TrainingJobStatus& status);

}  // namespace ballast::local
