// `ballast scale`, `suspend`, `resume` and `status JOB`: what is wished of a run that goes on, and
// how it stands. JOB is the job's name, its file, or the run's folder. A job of a cluster is wished
// for with kubectl; `status` tells of it, too. One thread.
#pragma once

#include <optional>
#include <string>

#include "operator/cmd/cluster_job.h"

namespace ballast::cmd {

struct ScaleOptions {
  std::string job;
  std::optional<int64_t> workers;
  std::optional<int64_t> servers;
};
struct SuspendOptions {
  std::string job;
  bool suspend = true;  // false: go on
};
struct StatusOptions {
  std::string job;
  bool json = false;
  std::optional<ClusterPlace> cluster;  // nothing: a run of this machine
};

// The exit status: 0, or 2 when there is no such run or job, or the wish was refused.
int scale_command(const ScaleOptions& options);
int suspend_command(const SuspendOptions& options);
int status_command(const StatusOptions& options);

}  // namespace ballast::cmd
