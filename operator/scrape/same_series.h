// Series that stand in one exposition more than once. OpenMetrics allows points in time, oldest
// first: the last one stands. Anything else is a contradiction: refused in OpenMetrics, and in the
// text format taken out and named, since Prometheus itself lets it pass. A pure function.
#pragma once

#include "operator/scrape/parse.h"

namespace ballast::scrape {

Result<void> settle_repeated_series(Exposition& exposition, Format format);

}  // namespace ballast::scrape
