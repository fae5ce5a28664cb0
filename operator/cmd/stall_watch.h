// How long steps take, and how long a run stood still because of each process that it lost: the
// longest time between two committed steps, from the last one before the loss until a few have
// followed. A normal step is part of it. Pure: times are passed in. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ballast::cmd {

struct Loss {
  std::string process;
  int64_t step = 0;        // committed when it was noticed
  int64_t stalled_ms = 0;  // longest time without a committed step
};

// Times between commits.
class Gaps {
 public:
  // `steps`: that were committed when it was over; more than one when their news came together.
  void add(int64_t gap_ms, int64_t steps);
  int64_t longest_ms() const { return longest_ms_; }
  // 0: there was none. The lower one of two.
  double median_step_ms() const;

 private:
  int64_t longest_ms_ = 0;
  std::vector<double> steps_ms_;
};

class StallWatch {
 public:
  void committed(int64_t step, int64_t now_ms);
  void lost(std::string process);
  // Those whose time is over, each once.
  std::vector<Loss> take();
  // Of all losses so far.
  int64_t losses() const { return losses_; }
  int64_t longest_ms() const { return longest_ms_; }

 private:
  struct Open {
    Loss loss;
    int commits = 0;  // seen since
  };

  std::optional<int64_t> last_ms_;  // of the last commit
  int64_t step_ = 0;
  std::vector<Open> open_;
  int64_t losses_ = 0;
  int64_t longest_ms_ = 0;
};

}  // namespace ballast::cmd
