// Ends of processes: each is counted once, and says when its successor may start, or that none
// shall. Pure functions.
#pragma once

#include "operator/core/draft.h"

namespace ballast::decide {

void count_ends(Draft& draft);

}  // namespace ballast::decide
