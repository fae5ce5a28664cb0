// Processes that expose metrics, as far as a scraper can tell: a process of its own that listens at
// many ports of the loopback and answers every request with a given text.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace ballast {

class SimulatedTargets {
 public:
  // Forks: no thread may have been started yet. The n-th of `count` answers with text n modulo
  // their number.
  SimulatedTargets(size_t count, std::vector<std::string> texts);
  ~SimulatedTargets();  // ends the process
  SimulatedTargets(const SimulatedTargets&) = delete;
  SimulatedTargets& operator=(const SimulatedTargets&) = delete;

  const std::vector<uint16_t>& ports() const { return ports_; }

 private:
  pid_t child_ = -1;
  std::vector<uint16_t> ports_;
};

}  // namespace ballast
