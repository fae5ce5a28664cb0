// The numerics fingerprint: a line that is equal where results are equal to the last bit. The first
// worker of a job fixes it; another one is refused.
#pragma once

#include <string>

#include "services/engine/compute.h"

namespace ballast {

// Build, kernel table, matrix library with its instruction set, and a hash over what products of
// odd shapes and one vector function give here: machines that claim the same but differ are told
// apart.
std::string numerics_fingerprint(const Compute& compute);

}  // namespace ballast
