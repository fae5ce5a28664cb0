// Where a run of a job may go on: the folders of its earlier runs, and the newest whole checkpoint
// of the latest of them. Reads files; one thread.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/error.h"
#include "operator/api/training_job.h"
#include "operator/local/local_job.h"

namespace ballast::cmd {

struct Resume {
  std::string job_uid;
  std::filesystem::path folder;  // of the earlier run; the new one writes there, too
  local::ResumePoint point;
  std::vector<std::string> passed_over;  // newer checkpoints that are damaged, one line each
};

// `base`: where the job's runs have their folders. kNotFound: nothing to go on from. kInvalid: what
// is there is of another model, which may have parameters of the same shapes.
Result<Resume> find_resume(const std::filesystem::path& base, const api::TrainingJob& job);

// Held by the run that writes to a folder of checkpoints, until the object goes.
class CheckpointLock {
 public:
  // Waits a moment for a run that is ending. kConflict: another process holds it.
  static Result<CheckpointLock> take(const std::filesystem::path& folder);
  ~CheckpointLock();
  CheckpointLock(CheckpointLock&& other) noexcept;
  CheckpointLock& operator=(CheckpointLock&&) = delete;

 private:
  explicit CheckpointLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace ballast::cmd
