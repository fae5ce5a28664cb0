// Reads the Prometheus text format, as far as counters, gauges and histograms of our own processes
// need it. A pure function over untrusted text: bad lines are passed over.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ballast::local {

struct Sample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;

  bool operator==(const Sample&) const = default;
};

std::vector<Sample> parse_metrics(std::string_view text);

// The sum over all samples of this name whose labels hold all of these.
double sum_of(const std::vector<Sample>& samples, std::string_view name,
              const std::map<std::string, std::string>& labels = {});

// The q-quantile (0..1) of a histogram <name>_bucket over all its label sets, linear within a
// bucket; 0 when it counted nothing.
double quantile_of(const std::vector<Sample>& samples, const std::string& name, double q);

}  // namespace ballast::local
