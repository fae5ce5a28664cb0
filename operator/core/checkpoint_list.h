// The checkpoints of a job as its status lists them: what is complete is read back; then what is
// too much may go, oldest first, and never the last one that is known to be whole. Pure functions.
#pragma once

#include "operator/core/draft.h"

namespace ballast::decide {

void list_checkpoints(Draft& draft);

}  // namespace ballast::decide
