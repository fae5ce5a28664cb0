// The plan of a job, and its outcome: succeeded, failed, suspended, or none yet. Pure functions.
#pragma once

#include "operator/core/draft.h"

namespace ballast::decide {

// What is wished of the job, under a number of its own.
void number_plan(Draft& draft);

// Sets the condition of an outcome, or takes that of a suspended job away.
void judge_outcome(Draft& draft);

}  // namespace ballast::decide
