// Which build this is. The revision is read from git when the target is built, and "unknown"
// outside a checkout. Only programs link this (each commit changes it); libraries get a BuildInfo
// passed in. Constants; any thread.
#pragma once

#include <string>

namespace ballast {

struct BuildInfo {
  std::string version;   // "0.1.0", of the project
  std::string revision;  // "1a2b3c4d5e6f", with "-dirty" when the checkout had changes
};

BuildInfo build_info();

}  // namespace ballast
