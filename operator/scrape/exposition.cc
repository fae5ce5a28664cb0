#include "operator/scrape/exposition.h"

#include <algorithm>
#include <cmath>

#include "operator/scrape/numbers.h"

namespace ballast::scrape {

std::string_view Exposition::label_of(const Sample& sample, std::string_view name) const {
  for (const Label& label : labels_of(sample.labels)) {
    if (label.name == name) return label.value;
  }
  return {};
}

bool matches(const Exposition& exposition, const Sample& sample, std::string_view name,
             const Matcher& labels) {
  return sample.name == name && std::all_of(labels.begin(), labels.end(), [&](const auto& label) {
           return exposition.label_of(sample, label.first) == label.second;
         });
}

double sum_of(std::span<const Answer> answers, std::string_view name, const Matcher& labels) {
  double sum = 0;
  for (const Answer& answer : answers) {
    for (const Sample& sample : answer.exposition->samples) {
      if (std::isfinite(sample.value) && matches(*answer.exposition, sample, name, labels))
        sum += sample.value;
    }
  }
  return sum;
}

double quantile_of(std::span<const Answer> answers, std::string_view name, double q) {
  std::map<double, double> counts;  // upper bound -> observations at or below it
  const std::string bucket = std::string(name) + "_bucket";
  for (const Answer& answer : answers) {
    for (const Sample& sample : answer.exposition->samples) {
      if (sample.name != bucket) continue;
      const auto bound = parse_value(answer.exposition->label_of(sample, "le"));
      if (bound && std::isfinite(sample.value)) counts[*bound] += sample.value;
    }
  }
  if (counts.empty() || !(counts.rbegin()->second > 0)) return 0;
  const double wanted = q * counts.rbegin()->second;
  double below = 0;
  double lower = 0;
  for (const auto& [bound, count] : counts) {
    if (count >= wanted) {
      if (!std::isfinite(bound)) return lower;
      const double inside = count - below;
      return lower + (inside > 0 ? (bound - lower) * (wanted - below) / inside : 0);
    }
    below = count;
    lower = bound;
  }
  return lower;
}

}  // namespace ballast::scrape
