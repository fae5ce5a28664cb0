// The line that tells how a run is going: speed over the last seconds, time left. Fed with what
// arrives and the time; prints nothing itself. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "operator/cmd/figures.h"
#include "operator/local/control_client.h"

namespace ballast::cmd {

class ProgressLine {
 public:
  explicit ProgressLine(int64_t steps) : steps_(steps) {}

  void progress(const local::Progress& progress, int64_t now_ms);
  void parts(const PartSeconds& parts, int64_t now_ms);
  // How much of the text is tokenized, before the first step.
  void tokenized(double bytes, double of_bytes) { tokenizing_ = {bytes, of_bytes}; }
  void steps(int64_t steps) { steps_ = steps; }
  // Some segment has fewer replicas than it should.
  void degraded(bool degraded) { degraded_ = degraded; }

  const std::optional<local::Progress>& last() const { return last_; }
  double tokens_per_second() const;
  std::optional<int64_t> milliseconds_left() const;

  // "step 420/1600  loss 2.3145  validation 2.41  35.2k tokens/s  compute 81% ...  1 min 20 s left"
  std::string text() const;
  nlohmann::json json() const;

 private:
  struct Point {
    int64_t now_ms = 0;
    int64_t step = 0;
  };
  struct PartPoint {
    int64_t now_ms = 0;
    PartSeconds parts;
  };
  double steps_per_second() const;
  PartSeconds recent_parts() const;
  struct Tokenizing {
    double bytes = 0;
    double of_bytes = 0;
  };

  int64_t steps_;
  bool degraded_ = false;
  Tokenizing tokenizing_;
  std::optional<local::Progress> last_;
  std::deque<Point> points_;           // of the last seconds
  std::deque<PartPoint> part_points_;  // of the last seconds
};

}  // namespace ballast::cmd
