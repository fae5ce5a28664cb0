#include "operator/report/story.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

namespace ballast::report {
namespace {

int64_t step_at(const Record& record, int64_t unix_time_ms) {
  int64_t step = 0;
  for (const Point& point : record.points) {
    if (point.unix_time_ms > unix_time_ms) break;
    step = point.step;
  }
  return step;
}

std::string how_it_ended(const Event& event) {
  const int64_t signal = event.number("signal");
  return signal != 0 ? fmt::format("was ended by signal {}", signal)
                     : fmt::format("ended with code {}", event.number("code"));
}

class Losses {
 public:
  explicit Losses(const Record& record) : record_(record) {}

  void take(const Event& event) {
    if (event.kind == "start") start_anew();
    if (event.kind == "stopping") stopping_ = true;
    if (event.kind == "ended" && is_loss(event)) lose(event, how_it_ended(event));
    if (event.kind == "removed" && is_living(event)) lose(event, "fell silent");
    if (event.kind == "ready") comes_back(event);
    if (event.kind == "appointed") appoint(event);
    if (event.kind == "degraded") degraded_ = true;
    if (event.kind == "whole") becomes_whole(event);
    if (event.kind == "recovered") recovered(event);
  }
  std::vector<LostProcess> take_all() { return std::move(lost_); }

 private:
  bool is_loss(const Event& event) const {
    const bool well = event.number("code") == 0 && event.number("signal") == 0;
    return !event.truth("wanted") && !well && !stopping_;
  }

  // Of what was lost before, nothing comes back any more: all processes are new.
  void start_anew() {
    first_open_ = lost_.size();
    lives_.clear();
    coordinator_.clear();
    degraded_ = false;
    stopping_ = false;
  }

  // A life that has ended may be removed when the next one is there already.
  bool is_living(const Event& event) const {
    const auto life = lives_.find(event.text("process"));
    return life == lives_.end() || life->second == event.text("incarnation");
  }

  // The latest loss of this process.
  LostProcess* last_of(const std::string& process) {
    for (size_t index = lost_.size(); index > first_open_; --index) {
      if (lost_[index - 1].process == process) return &lost_[index - 1];
    }
    return nullptr;
  }
  LostProcess* open_loss(const std::string& process) {
    LostProcess* last = last_of(process);
    return last != nullptr && !last->back_after_ms ? last : nullptr;
  }

  // The end of a process and its removal from the members are told of one loss, in any order.
  void lose(const Event& event, const std::string& how) {
    LostProcess* known = open_loss(event.text("process"));
    if (known != nullptr) {
      if (event.kind == "ended") known->how = how;
      return;
    }
    lost_.push_back({event.unix_time_ms,
                     event.text("process"),
                     how,
                     step_at(record_, event.unix_time_ms),
                     "",
                     {},
                     {},
                     {}});
  }

  void comes_back(const Event& event) {
    lives_[event.text("process")] = event.text("incarnation");
    LostProcess* lost = open_loss(event.text("process"));
    if (lost != nullptr) lost->back_after_ms = event.unix_time_ms - lost->unix_time_ms;
  }

  // Another one coordinates because the one that did so was lost.
  void appoint(const Event& event) {
    LostProcess* of_it = coordinator_.empty() ? nullptr : open_loss(coordinator_);
    coordinator_ = event.text("coordinator");
    if (of_it != nullptr && of_it->coordinator.empty()) of_it->coordinator = coordinator_;
  }

  void becomes_whole(const Event& event) {
    if (!degraded_) return;
    degraded_ = false;
    for (size_t index = first_open_; index < lost_.size(); ++index) {
      LostProcess& one = lost_[index];
      if (!one.whole_after_ms && one.process.starts_with("ps-"))
        one.whole_after_ms = event.unix_time_ms - one.unix_time_ms;
    }
  }

  void recovered(const Event& event) {
    const auto first = lost_.begin() + static_cast<std::ptrdiff_t>(first_open_);
    const auto found = std::find_if(first, lost_.end(), [&](const LostProcess& one) {
      return one.process == event.text("process") && !one.stalled_ms;
    });
    if (found != lost_.end()) found->stalled_ms = event.number("stalledMs");
  }

  const Record& record_;
  std::vector<LostProcess> lost_;
  size_t first_open_ = 0;                     // those before are of earlier starts
  std::map<std::string, std::string> lives_;  // the latest incarnation of each process
  std::string coordinator_;
  bool degraded_ = false;
  bool stopping_ = false;
};

void take_state(Story& story, const Event& event, bool& over) {
  const auto becomes = [&](RunState state) {
    story.state = state;
    over = true;
  };
  if (event.kind == "start") {
    story.state = RunState::kUnknown;
    story.message.clear();
    story.end = nullptr;
    over = false;
    ++story.starts;
    if (event.value.contains("job") && event.value["job"].is_object())
      story.job = event.value["job"];
  }
  if (event.kind == "end") {
    becomes(RunState::kSucceeded);
    story.end = event.value;
  }
  if (event.kind == "failed") becomes(RunState::kFailed);
  if (event.kind == "interrupted") becomes(RunState::kInterrupted);
  if (event.kind == "suspended") story.state = RunState::kSuspended;
  if (event.kind == "resumed") story.state = RunState::kUnknown;
  if (event.kind == "failed" || event.kind == "interrupted") story.message = event.text("message");
  if (event.kind == "back") ++story.returns;
}

}  // namespace

std::vector<LostProcess> lost_processes(const Record& record) {
  Losses losses(record);
  for (const Event& event : record.events) losses.take(event);
  return losses.take_all();
}

Story story_of(const Record& record, bool held) {
  Story story;
  bool over = false;
  for (const Event& event : record.events) take_state(story, event, over);
  if (!record.events.empty()) {
    story.started_unix_ms = record.events.front().unix_time_ms;
    story.last_unix_ms = record.events.back().unix_time_ms;
  }
  if (!record.points.empty()) {
    if (story.started_unix_ms == 0) story.started_unix_ms = record.points.front().unix_time_ms;
    story.last_unix_ms = std::max(story.last_unix_ms, record.points.back().unix_time_ms);
    story.step = record.points.back().step;
  }
  if (held && !over && story.state != RunState::kSuspended) story.state = RunState::kGoingOn;
  if (story.end.is_object() && story.state == RunState::kSucceeded) {
    const auto steps = story.end.find("steps");
    if (steps != story.end.end() && steps->is_number_integer()) story.step = steps->get<int64_t>();
  }
  const nlohmann::json::json_pointer name("/metadata/name");
  const nlohmann::json::json_pointer steps("/spec/training/steps");
  if (story.job.contains(name) && story.job[name].is_string()) story.job_name = story.job[name];
  if (story.job.contains(steps) && story.job[steps].is_number_integer())
    story.planned_steps = story.job[steps];
  story.lost = lost_processes(record);
  return story;
}

}  // namespace ballast::report
