// Whom the session of a job is with. Pure functions.
#pragma once

#include <optional>

#include "operator/core/observed.h"

namespace ballast::decide {

// The coordinator that status names. Where servers alone see the checkpoints and there is something
// to ask about them, any server that answers stands in: before a coordinator is appointed, and when
// it has gone with the outcome written. Who is asked stays, as long as it answers. With the outcome
// written and nothing to ask there is nobody: a job that is over costs nothing.
std::optional<api::MemberStatus> session_peer(const Observed& observed,
                                              const api::TrainingJobStatus& status);

}  // namespace ballast::decide
