// A whole job as processes on this machine: sees what is there, asks decide(), does what it says,
// until it says that nothing is left. The loop is the process backend; what it must do is decided
// in operator/core alone. Main thread only; the listener is called on it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "common/error.h"
#include "operator/api/training_job.h"
#include "operator/local/child_process.h"
#include "operator/local/control_client.h"
#include "operator/local/orphan_guard.h"
#include "operator/local/program_arguments.h"
#include "operator/local/ready_file.h"
#include "operator/local/run_folder.h"
#include "operator/local/scraper.h"
#include "operator/local/signals.h"

namespace ballast::local {

struct LocalJobOptions {
  api::TrainingJob job;  // valid, with a uid, paths absolute
  Network network = Network::kUnix;
  std::filesystem::path programs;  // folder of ballast-ps and ballast-worker
  std::filesystem::path cache;     // for token files
  int server_threads = 1;
  int worker_threads = 1;
};

// What happens, for people. Everything is optional to handle.
class RunListener {
 public:
  virtual ~RunListener() = default;
  virtual void process_ready(const ReadyFile& /*ready*/) {}
  // `wanted`: it was asked to end.
  virtual void process_ended(const std::string& /*name*/, const ChildExit& /*exit*/,
                             bool /*wanted*/, const std::filesystem::path& /*log*/) {}
  // The status says that this server is no member any more; before anybody goes on without it.
  virtual void member_removed(const std::string& /*name*/, uint64_t /*incarnation*/) {}
  virtual void appointed(uint64_t /*term*/, const std::string& /*coordinator*/) {}
  virtual void degraded(bool /*degraded*/) {}
  virtual void progress(const Progress& /*progress*/) {}
  virtual void warning(const std::string& /*message*/) {}
  virtual void stop_requested() {}
  virtual void tick() {}  // several times a second
};

struct RunOutcome {
  int exit_code = 0;
  std::string reason;  // of the condition that ended it
  std::string message;
};

class LocalJob {
 public:
  static Result<std::unique_ptr<LocalJob>> create(LocalJobOptions options, const RunFolder& folder,
                                                  OrphanGuard& guard, Signals& signals,
                                                  RunListener& listener);
  virtual ~LocalJob() = default;

  // Until the job has ended and no process is left. An error is one of this machine (no disk, ...);
  // no process is left then, either.
  virtual Result<RunOutcome> run() = 0;

  virtual const Scraper& scraper() const = 0;
};

}  // namespace ballast::local
