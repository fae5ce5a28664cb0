// `ballast report RUN`: one page of a run that needs nothing else, out of what the run has left
// beside its checkpoints; also while it goes on. Reads and writes files; main thread only.
#pragma once

#include <string>

namespace ballast::cmd {

struct ReportOptions {
  std::string run;     // job's name or file, or the folder of a run or of checkpoints
  std::string output;  // empty: NAME-report.html in the folder that one is in
  std::string build;   // of this program
};

// The exit status: common/exit_code.h.
int report_command(const ReportOptions& options);

}  // namespace ballast::cmd
