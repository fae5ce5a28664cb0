// The rules that a TrainingJob must keep beyond its types: ranges, choices, and fields that depend
// on each other. All violations at once. A pure function.
#pragma once

#include <string>
#include <vector>

#include "operator/api/training_job.h"

namespace ballast::api {

struct Violation {
  std::vector<std::string> paths;  // the accused field first, then the others that the rule reads
  std::string message;
};

std::vector<Violation> validate(const TrainingJob& job);

// A lower-case RFC 1123 label: what Kubernetes and socket names can carry.
bool is_dns_label(std::string_view name, size_t max_bytes = 63);

}  // namespace ballast::api
