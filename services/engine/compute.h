// What every operation needs to run: threads and the table of vector loops. Results depend on
// neither the number of threads nor the table.
#pragma once

#include "services/engine/kernels.h"
#include "services/engine/parallel.h"

namespace ballast {

struct Compute {
  ThreadPool* pool = nullptr;
  const KernelTable* kernels = nullptr;
};

}  // namespace ballast
