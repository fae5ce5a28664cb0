// The runs of this user on this machine, by what people know of them: the job's name, its file's
// name, or the run's folder. Reads files; one thread.
#pragma once

#include <filesystem>
#include <string>

#include "common/error.h"
#include "operator/api/status.h"

namespace ballast::local {

struct FoundRun {
  std::filesystem::path folder;
  std::string job_name;
  bool running = false;  // its process holds the store
  api::TrainingJobStatus status;
};

// `name`: of the job; or a run's folder. Of several runs the one that goes on, else the latest.
// kNotFound: there is none; kConflict: several go on.
Result<FoundRun> find_run(const std::string& name);

// Whether a process holds this file with flock(2). A file that is not there is held by nobody.
bool is_locked(const std::filesystem::path& lock);

}  // namespace ballast::local
