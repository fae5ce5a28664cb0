// `ballast run JOB`: a whole TrainingJob as processes of this machine, from the file to a sample of
// what the model learned. Main thread only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/build_info/build_info.h"

namespace ballast::cmd {

struct RunOptions {
  std::string file;
  std::vector<std::string> overrides;  // --set
  bool resume = false;                 // from the last whole checkpoint of the job's latest run
  bool json = false;
  std::string network = "unix";  // unix | tcp | tcp-trusted
  std::string run_folder;        // empty: a new one, deleted after success
  bool keep_run_folder = false;
  std::string cache_folder;      // empty: the user's cache
  int threads = 0;               // of each worker; 0: the CPUs divided by the workers
  std::string programs;          // folder of ballast-ps and ballast-worker; empty: beside ours
  std::string metrics_listen;    // HOST:PORT of the run's own metrics; empty: it has none
  BuildInfo build;               // for those metrics
  uint32_t sample_tokens = 400;  // 0: no sample
  std::string prompt = "\n";
};

// The exit status: common/exit_code.h.
int run_command(const RunOptions& options);

}  // namespace ballast::cmd
