// The bound of an optimizer: a loop that reads four arrays and writes three, 28 B a parameter, with
// next to nothing to compute, in the widest vectors of the machine.
#pragma once

#include <cstddef>

namespace ballast::bench {

void plain_loop(float* p, float* m, float* v, const float* g, size_t count);

}  // namespace ballast::bench
