#include "operator/cmd/progress_line.h"

#include <fmt/format.h>
#include <cmath>

#include "common/human.h"

namespace ballast::cmd {
namespace {

constexpr int64_t kWindowMs = 10'000;

template <typename T>
void forget_old(std::deque<T>& points, int64_t now_ms) {
  while (points.size() > 2 && points[1].now_ms <= now_ms - kWindowMs) points.pop_front();
}

int percent(double part, double whole) {
  return whole > 0 ? static_cast<int>(std::lround(100 * part / whole)) : 0;
}

}  // namespace

void ProgressLine::progress(const local::Progress& progress, int64_t now_ms) {
  // After a return to an earlier step, speed starts anew.
  if (last_ && progress.report.step < last_->report.step) points_.clear();
  if (points_.empty() || progress.report.step > points_.back().step) {
    points_.push_back({now_ms, progress.report.step});
    forget_old(points_, now_ms);
  }
  last_ = progress;
}

void ProgressLine::parts(const PartSeconds& parts, int64_t now_ms) {
  if (!part_points_.empty() && part_points_.back().parts == parts) return;
  part_points_.push_back({now_ms, parts});
  forget_old(part_points_, now_ms);
}

double ProgressLine::steps_per_second() const {
  if (points_.size() < 2) return 0;
  const Point& first = points_.front();
  const Point& last = points_.back();
  if (last.now_ms <= first.now_ms) return 0;
  return 1000.0 * static_cast<double>(last.step - first.step) /
         static_cast<double>(last.now_ms - first.now_ms);
}

double ProgressLine::tokens_per_second() const {
  return last_ ? steps_per_second() * static_cast<double>(last_->report.step_tokens) : 0;
}

std::optional<int64_t> ProgressLine::milliseconds_left() const {
  const double speed = steps_per_second();
  if (!last_ || speed <= 0) return std::nullopt;
  return static_cast<int64_t>(1000.0 * static_cast<double>(steps_ - last_->report.step) / speed);
}

PartSeconds ProgressLine::recent_parts() const {
  if (part_points_.empty()) return {};
  if (part_points_.size() == 1) return part_points_.back().parts;
  return part_points_.back().parts - part_points_.front().parts;
}

std::string ProgressLine::text() const {
  const int64_t step = last_ ? last_->report.step : 0;
  if (step == 0 && tokenizing_.bytes < tokenizing_.of_bytes) {
    return fmt::format("tokenizing {}%  ({} of {})",
                       percent(tokenizing_.bytes, tokenizing_.of_bytes),
                       human_bytes(static_cast<uint64_t>(tokenizing_.bytes)),
                       human_bytes(static_cast<uint64_t>(tokenizing_.of_bytes)));
  }
  if (!last_) return "starting";
  if (step == 0 || last_->phase != "training") {
    const std::string before = step > 0 ? fmt::format("step {}/{}  ", step, steps_) : "";
    return before + last_->phase +
           (last_->workers > 0 ? fmt::format("  ({} workers)", last_->workers) : "");
  }
  std::string text = fmt::format("step {}/{}  loss {:.4f}", step, steps_, last_->report.loss);
  if (last_->evaluation_loss) text += fmt::format("  validation {:.4f}", *last_->evaluation_loss);
  if (tokens_per_second() > 0) {
    text += fmt::format("  {} tokens/s", human_count(static_cast<uint64_t>(tokens_per_second())));
  }
  const PartSeconds parts = recent_parts();
  if (parts.sum() > 0) {
    text += fmt::format("  compute {}% push {}% wait {}% pull {}%",
                        percent(parts.compute, parts.sum()), percent(parts.push, parts.sum()),
                        percent(parts.wait, parts.sum()), percent(parts.pull, parts.sum()));
  }
  if (last_->skipped > 0) text += fmt::format("  {} skipped", last_->skipped);
  if (degraded_) text += "  degraded";
  if (const auto left = milliseconds_left())
    text += fmt::format("  {} left", human_duration_ms(*left));
  return text;
}

nlohmann::json ProgressLine::json() const {
  nlohmann::json out = {{"event", "progress"}, {"steps", steps_}};
  if (!last_) return out;
  out["phase"] = last_->phase;
  out["step"] = last_->report.step;
  out["workers"] = last_->workers;
  out["skipped"] = last_->skipped;
  out["degraded"] = degraded_;
  if (last_->report.step_tokens > 0) {
    out["loss"] = last_->report.loss;
    out["learningRate"] = last_->learning_rate;
    out["gradientNorm"] = last_->gradient_norm;
    out["tokensPerSecond"] = tokens_per_second();
  }
  if (last_->evaluation_loss) {
    out["validationLoss"] = *last_->evaluation_loss;
    out["validationStep"] = last_->evaluation_version;
  }
  const PartSeconds parts = recent_parts();
  if (parts.sum() > 0) {
    out["shareOfTime"] = {{"compute", parts.compute / parts.sum()},
                          {"push", parts.push / parts.sum()},
                          {"wait", parts.wait / parts.sum()},
                          {"pull", parts.pull / parts.sum()}};
  }
  if (const auto left = milliseconds_left()) out["millisecondsLeft"] = *left;
  return out;
}

}  // namespace ballast::cmd
