// Which seeds a simulation runs, and the sentence that repeats one. BALLAST_SEEDS and
// BALLAST_FIRST_SEED choose others. Plain functions.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

namespace ballast::kube {

inline uint64_t number_from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

inline uint64_t first_seed() { return number_from_environment("BALLAST_FIRST_SEED", 1); }
inline uint64_t seeds(uint64_t otherwise) {
  return number_from_environment("BALLAST_SEEDS", otherwise);
}

inline std::string replay(const std::string& test, uint64_t seed) {
  return "replay: BALLAST_FIRST_SEED=" + std::to_string(seed) + " BALLAST_SEEDS=1 " + test;
}

}  // namespace ballast::kube
