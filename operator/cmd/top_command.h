// `ballast top JOB`: a run that goes on, live: what each of its processes does, once a second,
// until Ctrl-C or its end. One thread.
#pragma once

#include <cstdint>
#include <string>

namespace ballast::cmd {

struct TopOptions {
  std::string job;
  int64_t every_seconds = 1;
  int64_t times = 0;  // looks, then it ends; 0: until the run ends
};

// The exit status: 0, or 2 when there is no such run.
int top_command(const TopOptions& options);

}  // namespace ballast::cmd
