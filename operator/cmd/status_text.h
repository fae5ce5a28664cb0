// How a job stands, as text for people. A pure function.
#pragma once

#include <string>

#include "operator/api/status.h"

namespace ballast::cmd {

struct JobView {
  std::string job_name;
  std::string place_kind;  // what `place` is: "run folder", "namespace"
  std::string place;
  bool running = false;  // somebody sees to it: its run goes on, or the cluster has it
  api::TrainingJobStatus status;
};

// Several lines, without a newline at the end.
std::string status_text(const JobView& job);

}  // namespace ballast::cmd
