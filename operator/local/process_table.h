// The processes of a job on this machine: started, looked at, stopped; what is known of each is
// what decide() is shown. An ended one stays until its name is started again. Main thread only.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "operator/core/decide.h"
#include "operator/local/child_process.h"
#include "operator/local/local_job.h"
#include "operator/local/scraper.h"

namespace ballast::local {

class ProcessTable {
 public:
  ProcessTable(const LocalJobOptions& options, const RunCertificates& certificates,
               const RunFolder& folder, const OrphanGuard& guard, RunListener& listener,
               Scraper& scraper)
      : options_(options),
        certificates_(certificates),
        folder_(folder),
        guard_(guard),
        listener_(listener),
        scraper_(scraper) {}

  // Notices ready-files and ends; reaps strangers that were handed to us.
  void observe(decide::TimeMs now_ms);
  const std::vector<decide::Process>& processes() const { return processes_; }

  // One that cannot be started is seen as ended.
  void start(const decide::StartProcess& start, const std::vector<api::MemberStatus>& members,
             decide::TimeMs now_ms);
  void stop(const decide::StopProcess& stop, decide::TimeMs now_ms);

  // Kills and reaps all that run.
  void clear() { running_.clear(); }

 private:
  struct Running {
    std::unique_ptr<ChildProcess> child;  // null: it could not be started
    std::filesystem::path log;
    std::filesystem::path ready_file;
  };

  void look_at(decide::Process& process, decide::TimeMs now_ms);
  void look_for_ready_file(decide::Process& process, const Running& running,
                           const std::string& name, decide::TimeMs now_ms);
  ChildOptions child_options(const decide::Process& process, const std::string& name,
                             const Running& running,
                             const std::vector<api::MemberStatus>& members) const;

  const LocalJobOptions& options_;
  const RunCertificates& certificates_;
  const RunFolder& folder_;
  const OrphanGuard& guard_;
  RunListener& listener_;
  Scraper& scraper_;
  std::vector<decide::Process> processes_;
  std::map<std::string, Running> running_;  // by process name
};

}  // namespace ballast::local
