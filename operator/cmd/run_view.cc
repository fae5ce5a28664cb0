#include "operator/cmd/run_view.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/human.h"
#include "operator/local/process_log.h"
#include "operator/policy/decision_json.h"

namespace ballast::cmd {
namespace {

constexpr int64_t kPlainEveryMs = 5'000;
constexpr int64_t kEventEveryMs = 1'000;
constexpr int64_t kFiguresEveryMs = 1'000;

}  // namespace

RunView::RunView(const api::TrainingJob& job, Console& console, const Clock& clock)
    : job_(job),
      console_(console),
      clock_(clock),
      line_(job.spec.training.steps),
      started_ms_(clock.now_ms()),
      last_plain_ms_(started_ms_) {}

void RunView::process_ready(const local::ReadyFile& ready) {
  living_[ready.name] = ready.incarnation;
  console_.line(
      fmt::format("{} is ready, metrics at http://{}/metrics", ready.name, ready.metrics_address));
  console_.event({{"event", "ready"},
                  {"process", ready.name},
                  {"pid", ready.pid},
                  {"incarnation", std::to_string(ready.incarnation)},
                  {"address", ready.address},
                  {"metricsAddress", ready.metrics_address}});
}

void RunView::process_ended(const std::string& name, const local::ChildExit& exit, bool wanted,
                            const std::filesystem::path& log) {
  console_.event({{"event", "ended"},
                  {"process", name},
                  {"code", exit.code},
                  {"signal", exit.signal},
                  {"wanted", wanted}});
  // A worker that ends with 0 has heard of the job's end before us.
  const bool counted = living_.erase(name) == 0;  // as removed, or it never was ready
  if (wanted || (exit.code == 0 && exit.signal == 0)) return;
  if (!counted) lost(name);
  lost_logs_[name] = log;
  last_loss_ = local::last_error(log);
  ++restarts_;
  const std::string how = exit.signal != 0 ? fmt::format("was ended by signal {}", exit.signal)
                                           : fmt::format("ended with code {}", exit.code);
  console_.line(fmt::format("{} {}{}", name, how, last_loss_.empty() ? "" : ": " + last_loss_));
}

void RunView::lost(const std::string& process) { stalls_.lost(process); }

void RunView::member_removed(const std::string& name, uint64_t incarnation) {
  console_.event(
      {{"event", "removed"}, {"process", name}, {"incarnation", std::to_string(incarnation)}});
  const auto living = living_.find(name);
  if (living == living_.end() || living->second != incarnation) return;  // its end was told
  living_.erase(living);
  lost(name);
  console_.line(name + " has fallen silent and is no member any more");
}

void RunView::member_left(const std::string& name, uint64_t incarnation) {
  console_.event(
      {{"event", "left"}, {"process", name}, {"incarnation", std::to_string(incarnation)}});
  living_.erase(name);
  console_.line(name + " has given its segments away and leaves");
}

void RunView::job_changed(const api::TrainingJob& job, const std::string& what) {
  line_.steps(job.spec.training.steps);
  console_.event({{"event", "changed"}, {"what", what}});
  console_.line("changed: " + what);
}

void RunView::suspended(bool suspended, const std::string& checkpoint) {
  suspended_ = suspended;
  console_.event({{"event", suspended ? "suspended" : "resumed"}, {"checkpoint", checkpoint}});
  const std::string from = checkpoint.empty() ? "the beginning" : checkpoint;
  console_.line(suspended ? "suspended: no process runs; `ballast resume " + job_.metadata.name +
                                "` or suspend: false in the file goes on"
                          : "goes on from " + from);
}

void RunView::appointed(uint64_t term, const std::string& coordinator) {
  console_.event({{"event", "appointed"}, {"term", term}, {"coordinator", coordinator}});
  if (term > 1) console_.line(fmt::format("{} coordinates now, term {}", coordinator, term));
}

void RunView::degraded(bool degraded) {
  line_.degraded(degraded);
  console_.event({{"event", degraded ? "degraded" : "whole"}});
  if (!degraded) console_.line("every segment has all its replicas again");
}

void RunView::goes_back(const std::string& checkpoint) {
  console_.line(checkpoint.empty() ? "parameters are lost: back to step 0"
                                   : "parameters are lost: back to " + checkpoint);
  console_.event({{"event", "back"}, {"checkpoint", checkpoint}});
}

void RunView::checkpoint_complete(const std::string& directory) {
  if (!stopping_) console_.event({{"event", "checkpoint"}, {"directory", directory}});
}

void RunView::checkpoint_damaged(const std::string& error) {
  warning("a checkpoint is damaged and will not be used: " + error);
}

void RunView::progress(const local::Progress& news_of_it) {
  const int64_t now = clock_.now_ms();
  local::Progress progress = news_of_it;
  if (progress.phase == "sealing" && line_.last()) {
    // A new coordinator does not know yet where the job stands.
    progress = *line_.last();
    progress.phase = news_of_it.phase;
    progress.workers = news_of_it.workers;
  }
  const int64_t before = line_.last() ? line_.last()->report.step : 0;
  line_.progress(progress, now);
  if (progress.report.step > before) {
    if (first_step_ms_ > 0) gaps_.add(now - last_step_ms_, progress.report.step - before);
    last_step_ms_ = now;
    stalls_.committed(progress.report.step, now);
    for (const Loss& loss : stalls_.take()) {
      console_.line(fmt::format("the loss of {} cost {} without a committed step", loss.process,
                                human_duration_ms(loss.stalled_ms)));
      console_.event({{"event", "recovered"},
                      {"process", loss.process},
                      {"step", loss.step},
                      {"stalledMs", loss.stalled_ms}});
    }
    if (first_step_ms_ == 0) {
      first_step_ms_ = now;
      first_step_ = progress.report.step;
      last_event_ms_ = 0;  // the first step is news
      last_plain_ms_ = 0;
    }
  }
  if (progress.checkpoint_failure != last_checkpoint_failure_) {
    last_checkpoint_failure_ = progress.checkpoint_failure;
    if (!last_checkpoint_failure_.empty())
      warning("a checkpoint could not be written: " + last_checkpoint_failure_);
  }
  const bool evaluated =
      progress.evaluation_loss && progress.evaluation_version != last_evaluation_;
  if (evaluated) {
    last_evaluation_ = progress.evaluation_version;
    console_.line(fmt::format("step {}: validation loss {:.4f}", progress.evaluation_version,
                              *progress.evaluation_loss));
  }
  const bool news = evaluated || progress.phase != last_phase_ || progress.workers != last_workers_;
  last_workers_ = progress.workers;
  last_phase_ = progress.phase;
  if (news || now - last_event_ms_ >= kEventEveryMs) {
    last_event_ms_ = now;
    nlohmann::json event = line_.json();
    event["processes"] = shares_.json();
    event["longestGapMs"] = gaps_.longest_ms();
    event["medianStepMs"] = gaps_.median_step_ms();
    gaps_ = {};
    console_.event(event);
  }
}

// Holding still is for machines alone.
void RunView::policy_decided(const policy::Decision& decision) {
  if (decision.action != policy::Action::kHold) console_.line(policy::told(decision));
  nlohmann::json event = policy::to_json(decision);
  event["event"] = "policy";
  console_.event(event);
}

void RunView::warning(const std::string& message) {
  console_.line("warning: " + message);
  console_.event({{"event", "warning"}, {"message", message}});
}

void RunView::stop_requested() {
  if (!stopping_) console_.line("stopping: workers first, then servers; once more to end at once");
  if (!stopping_) console_.event({{"event", "stopping"}});
  stopping_ = true;
}

void RunView::tick() {
  const int64_t now = clock_.now_ms();
  if (answers_ && now - last_figures_ms_ >= kFiguresEveryMs) {
    last_figures_ms_ = now;
    const std::vector<scrape::Answer> answers = answers_();
    const Figures figures = figures_of(answers);
    shares_.look(
        answers, [this](const std::string& name) { return living_.contains(name); }, now);
    line_.parts(figures.parts, now);
    line_.tokenized(figures.tokenized_bytes, figures.text_bytes);
  }
  if (!line_.last() || stopping_ || suspended_) return;
  console_.live(line_.text());
  if (console_.mode() == OutputMode::kPlain && now - last_plain_ms_ >= kPlainEveryMs) {
    last_plain_ms_ = now;
    console_.line(line_.text());
  }
}

Summary RunView::summary() const {
  Summary summary;
  summary.duration_ms = clock_.now_ms() - started_ms_;
  summary.to_first_step_ms = first_step_ms_ > 0 ? first_step_ms_ - started_ms_ : 0;
  summary.restarts = restarts_;
  summary.losses = stalls_.losses();
  summary.longest_stall_ms = stalls_.longest_ms();
  summary.byte_tokens = job_.spec.data.tokenizer == "byte";
  if (answers_) summary.figures = figures_of(answers_());
  if (!line_.last()) return summary;
  const local::Progress& last = *line_.last();
  summary.steps = last.report.step;
  summary.tokens = static_cast<uint64_t>(last.report.step) * last.report.step_tokens;
  if (last_step_ms_ > first_step_ms_) {
    summary.tokens_per_second = 1000.0 * static_cast<double>(last.report.step - first_step_) *
                                static_cast<double>(last.report.step_tokens) /
                                static_cast<double>(last_step_ms_ - first_step_ms_);
  }
  summary.skipped = last.skipped;
  summary.training_loss = last.report.loss;
  summary.validation_loss = last.evaluation_loss;
  summary.checkpoint = last.report.checkpoint;
  return summary;
}

}  // namespace ballast::cmd
