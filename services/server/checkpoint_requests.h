// What an operator asks about checkpoints, whose volume only servers see: each request is done on a
// thread of its own, one after the other, and its answer goes to whoever asked last. The same that
// is in hand already is not begun again. Thread rule: all members on the loop's thread; `wake` is
// called on the other.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/error.h"
#include "services/core/messages.h"
#include "services/server/compute_thread.h"

namespace ballast {

bool is_checkpoint_request(const Message& message);

// What a server knows that is asked.
struct RequestLimits {
  Term promised = 0;
  std::string checkpoint_path = {};  // of the job; empty: not known yet
};

class CheckpointRequests {
 public:
  static constexpr size_t kMostWaiting = 64;  // an operator has a few at a time
  static constexpr size_t kMostListed = 100;  // of complete, and of incomplete ones: the newest

  explicit CheckpointRequests(std::function<void()> wake) : thread_(std::move(wake)) {}

  // kConflict: of a lower term than promised; kUnavailable: too many wait; kInvalid: it is no
  // request. None of these is answered.
  // What may not be touched is answered with an error that names it.
  Result<void> take(const Envelope& envelope, const RequestLimits& limits);

  using Answer = std::pair<ProcessId, Message>;
  // Of what has been done since the last call.
  std::vector<Answer> take_answers();

 private:
  std::map<std::string, ProcessId> in_hand_;  // whom to answer, by what is asked
  std::vector<Answer> answers_;
  ComputeThread thread_;  // last: ends before anything that its tasks refer to
};

}  // namespace ballast
