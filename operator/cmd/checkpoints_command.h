// `ballast checkpoints FOLDER`: lists the checkpoints of a run, or of all runs of a job, and reads
// each back. One thread.
#pragma once

#include <string>

namespace ballast::cmd {

struct CheckpointsOptions {
  std::string folder;
  bool json = false;
};

// The exit status: 0 all that are complete are whole, 1 one is damaged or cannot be read, 2 there
// is no such folder.
int checkpoints_command(const CheckpointsOptions& options);

}  // namespace ballast::cmd
