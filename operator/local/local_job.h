// A whole job as processes on this machine: sees what is there, asks decide(), does what it says,
// until it says that nothing is left. The loop is the process backend; what it must do is decided
// in operator/core alone. Main thread only; the listener is called on it.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

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
#include "operator/policy/decision.h"

namespace ballast::local {

// Where an earlier run of the same job has come to.
struct ResumePoint {
  std::string checkpoint;                // complete and whole
  std::vector<std::string> checkpoints;  // all that are complete, in their order
  std::vector<std::string> deletable;    // begun and never completed
  uint64_t term = 0;                     // the highest that the earlier run is known to have had
};

// Where the job was read from: what is changed there while the job runs is wished of it.
struct JobFile {
  std::filesystem::path path;
  std::vector<std::string> overrides;
  api::TrainingJob job;  // as it was read
};

struct LocalJobOptions {
  api::TrainingJob job;  // valid, with a uid, paths absolute
  Network network = Network::kUnix;
  std::filesystem::path programs;  // folder of ballast-ps and ballast-worker
  std::filesystem::path cache;     // for token files
  int server_threads = 1;
  int worker_threads = 1;
  // Reads a checkpoint back; deletes one. Called on a thread of their own. Empty: not done.
  std::function<Result<void>(const std::filesystem::path&, const std::stop_token&)>
      verify_checkpoint;
  std::function<Result<void>(const std::filesystem::path&)> remove_checkpoint;
  // Folders beside a complete checkpoint that were begun before it and never completed. Empty:
  // none.
  std::function<std::vector<std::string>(const std::filesystem::path&)> abandoned_before;
  std::optional<ResumePoint> resume;
  std::optional<JobFile> file;
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
  // It has given its segments away, as was wished, and ends.
  virtual void member_left(const std::string& /*name*/, uint64_t /*incarnation*/) {}
  // `what`: the fields, for people.
  virtual void job_changed(const api::TrainingJob& /*job*/, const std::string& /*what*/) {}
  virtual void suspended(bool /*suspended*/, const std::string& /*checkpoint*/) {}
  virtual void appointed(uint64_t /*term*/, const std::string& /*coordinator*/) {}
  virtual void degraded(bool /*degraded*/) {}
  // Parameters are lost; the job returns to this checkpoint. Empty: to the beginning.
  virtual void goes_back(const std::string& /*checkpoint*/) {}
  virtual void checkpoint_complete(const std::string& /*directory*/) {}
  virtual void checkpoint_damaged(const std::string& /*error*/) {}
  virtual void progress(const Progress& /*progress*/) {}
  // What all policies said, also where it is nothing new; to be counted.
  virtual void policies_asked(const std::vector<policy::Decision>& /*decisions*/) {}
  // A policy says something that it has not said before.
  virtual void policy_decided(const policy::Decision& /*decision*/) {}
  virtual void warning(const std::string& /*message*/) {}
  virtual void stop_requested() {}
  virtual void tick() {}  // several times a second
};

struct RunOutcome {
  int exit_code = 0;
  std::string reason;  // of the condition that ended it
  std::string message;
  std::string checkpoint = {};  // the latest that is complete; empty: none
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
