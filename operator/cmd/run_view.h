// Tells the story of a run on a console while it happens, and remembers what the end needs. One
// thread.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/clock.h"
#include "operator/api/training_job.h"
#include "operator/cmd/console.h"
#include "operator/cmd/process_shares.h"
#include "operator/cmd/progress_line.h"
#include "operator/cmd/stall_watch.h"
#include "operator/cmd/summary.h"
#include "operator/local/local_job.h"

namespace ballast::cmd {

class RunView : public local::RunListener {
 public:
  RunView(const api::TrainingJob& job, Console& console, const Clock& clock);

  // Where the figures come from while the run goes on.
  void watch(std::function<std::vector<scrape::Answer>()> answers) {
    answers_ = std::move(answers);
  }

  // Who counts what policies say.
  void count_decisions(std::function<void(const std::vector<policy::Decision>&)> count) {
    count_decisions_ = std::move(count);
  }

  void process_ready(const local::ReadyFile& ready) override;
  void process_ended(const std::string& name, const local::ChildExit& exit, bool wanted,
                     const std::filesystem::path& log) override;
  void member_removed(const std::string& name, uint64_t incarnation) override;
  void member_left(const std::string& name, uint64_t incarnation) override;
  void job_changed(const api::TrainingJob& job, const std::string& what) override;
  void suspended(bool suspended, const std::string& checkpoint) override;
  void appointed(uint64_t term, const std::string& coordinator) override;
  void degraded(bool degraded) override;
  void goes_back(const std::string& checkpoint) override;
  void checkpoint_complete(const std::string& directory) override;
  void checkpoint_damaged(const std::string& error) override;
  void progress(const local::Progress& progress) override;
  void policies_asked(const std::vector<policy::Decision>& decisions) override {
    if (count_decisions_) count_decisions_(decisions);
  }
  void policy_decided(const policy::Decision& decision) override;
  void warning(const std::string& message) override;
  void stop_requested() override;
  void tick() override;

  // All but what is read from the checkpoint.
  Summary summary() const;
  // Logs of processes that ended without being asked, by name.
  const std::map<std::string, std::filesystem::path>& lost_logs() const { return lost_logs_; }
  // What the last process that was lost said of it; empty: nothing.
  const std::string& last_loss() const { return last_loss_; }

 private:
  void lost(const std::string& process);

  const api::TrainingJob& job_;
  Console& console_;
  const Clock& clock_;
  std::function<std::vector<scrape::Answer>()> answers_;
  ProcessShares shares_;
  std::function<void(const std::vector<policy::Decision>&)> count_decisions_;
  ProgressLine line_;
  int64_t started_ms_;
  int64_t first_step_ms_ = 0;
  int64_t first_step_ = 0;
  int64_t last_step_ms_ = 0;
  int64_t last_plain_ms_ = 0;
  int64_t last_event_ms_ = 0;
  Gaps gaps_;  // between commits, since the last event of progress
  int64_t last_figures_ms_ = 0;
  int64_t restarts_ = 0;
  StallWatch stalls_;
  std::map<std::string, uint64_t> living_;  // incarnations by process name
  bool stopping_ = false;
  bool suspended_ = false;
  uint64_t last_evaluation_ = 0;
  std::string last_phase_;
  std::string last_checkpoint_failure_;
  uint32_t last_workers_ = 0;
  std::map<std::string, std::filesystem::path> lost_logs_;
  std::string last_loss_;
};

}  // namespace ballast::cmd
