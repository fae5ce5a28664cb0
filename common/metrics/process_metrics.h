// What every process exposes, read at each scrape: the standard process_* metrics of Prometheus'
// client libraries, ballast_build_info{version,revision} = 1, and, of a process that belongs to a
// job, ballast_process_info{process,incarnation} = 1: which life of which process answers. Any
// thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <prometheus/collectable.h>

#include "common/build_info/build_info.h"

namespace ballast {

std::shared_ptr<prometheus::Collectable> process_metrics(const BuildInfo& build,
                                                         const std::string& process = {},
                                                         uint64_t incarnation = 0);

}  // namespace ballast
