// Reads what a target answered to a scrape: the Prometheus text format 0.0.4 or OpenMetrics 1.0.
// Untrusted bytes in; an exposition, or an error that names line and byte. All or nothing: one bad
// line refuses the whole, since a target that writes one is not understood. Pure functions.
//
// The text format is read as promtool reads it, with two differences: blanks at the end of a line
// are ignored, as the format says, and help must be UTF-8. OpenMetrics is read as strictly as it is
// specified where that decides what a number means: order of metadata, no interleaved families,
// suffixes, values of counters and buckets, # EOF.
#pragma once

#include <string_view>

#include "common/error.h"
#include "operator/scrape/exposition.h"
#include "operator/scrape/limits.h"

namespace ballast::scrape {

enum class Format { kPrometheus, kOpenMetrics };

// By the answer's Content-Type; anything unknown is Prometheus text, as Prometheus has it.
Format format_of(std::string_view content_type);

// Errors: kInvalid.
Result<Exposition> parse(std::string_view text, Format format, const Limits& limits = {});

}  // namespace ballast::scrape
