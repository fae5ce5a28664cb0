// What comes over a session with a server, as plain values. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "operator/core/observed.h"

namespace ballast::v1 {
class Frame;
}

namespace ballast::local {

// What a coordinator says of its work, for people.
struct Progress {
  decide::CoordinatorReport report;
  std::string phase;      // "sealing", "training", ...
  bool training = false;  // it has workers, and commits steps
  double learning_rate = 0;
  double gradient_norm = 0;
  std::optional<double> evaluation_loss;  // mean over tokens, natural logarithm
  uint64_t evaluation_version = 0;
  uint32_t workers = 0;  // joined now
  uint64_t skipped = 0;
  std::string checkpoint_failure;  // why the latest was given up; empty: it was not
};

struct SessionOpened {
  std::string name;
  uint64_t incarnation = 0;
};
struct SessionClosed {
  std::string reason;
  bool refused = false;  // for good: other job, protocol or identity
};
// Answers about checkpoints.
struct CheckpointRead {
  decide::CheckpointCheck check;
  std::vector<std::string> abandoned;  // begun before it, and never to be complete
};
struct CheckpointGone {
  std::string directory;
  std::string error;  // empty: it is there no more
};
struct CheckpointsFound {
  std::string path;
  decide::FoundCheckpoints found;
};
using ControlEvent =
    std::variant<SessionOpened, SessionClosed, Progress, decide::OriginRequest,
                 decide::RemoveRequest, CheckpointRead, CheckpointGone, CheckpointsFound>;

// Nothing: it is of a later version, or not for us.
std::optional<ControlEvent> event_of(const v1::Frame& frame);

}  // namespace ballast::local
