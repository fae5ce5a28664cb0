// What every process exposes, read at each scrape: the standard process_* metrics of Prometheus'
// client libraries and ballast_build_info{version,revision} = 1. Any thread.
#pragma once

#include <memory>

#include <prometheus/collectable.h>

#include "common/build_info/build_info.h"

namespace ballast {

std::shared_ptr<prometheus::Collectable> process_metrics(const BuildInfo& build);

}  // namespace ballast
