// What a target may make us hold. An exposition beyond any of these is refused whole: half of one
// would look like series that went away. Plain values.
#pragma once

#include <cstddef>

namespace ballast::scrape {

struct Limits {
  size_t bytes = 8u << 20;
  size_t lines = 200'000;
  size_t line_bytes = 16u << 10;
  size_t samples = 100'000;
  size_t labels = 64;             // of one sample, or of one exemplar
  size_t label_name_bytes = 256;  // also of metric names
  size_t label_value_bytes = 4096;
};

}  // namespace ballast::scrape
