// What one target exposed at one moment: families and samples, as the Prometheus text format and
// OpenMetrics know them. Names and labels are views into the text that the exposition owns, so that
// a scrape costs one buffer and three flat lists. Immutable once parsed; any thread may read.
//
// Invariant: labels of a sample are ascending by name; no two samples have the same name and
// labels.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ballast::scrape {

enum class MetricType {
  kUnknown,
  kCounter,
  kGauge,
  kHistogram,
  kSummary,
  kGaugeHistogram,  // this and below: OpenMetrics alone
  kInfo,
  kStateSet,
};

struct Label {
  std::string_view name;
  std::string_view value;

  bool operator==(const Label&) const = default;
};

// A range of Exposition::labels.
struct LabelRange {
  uint32_t first = 0;
  uint32_t count = 0;
};

struct Family {
  std::string_view name;
  MetricType type = MetricType::kUnknown;
  std::string_view help;
  std::string_view unit;
};

struct Exemplar {
  LabelRange labels;
  double value = 0;
  std::optional<int64_t> timestamp_ms;
};

struct Sample {
  std::string_view name;  // with its suffix: "x_total", "x_bucket"
  uint32_t family = 0;    // index into families
  LabelRange labels;
  double value = 0;                     // NaN and infinities as they were exposed
  std::optional<int64_t> timestamp_ms;  // on the target's clock
  std::optional<uint32_t> exemplar;     // index into exemplars
};

struct Exposition {
  std::unique_ptr<char[]> text;  // what all views look into
  std::vector<Family> families;
  std::vector<Sample> samples;
  std::vector<Label> labels;
  std::vector<Exemplar> exemplars;
  // Series that stood there more than once: nobody knows which was meant, so none of them is a
  // sample.
  std::vector<std::string> contradictory;

  std::span<const Label> labels_of(LabelRange range) const {
    return {labels.data() + range.first, range.count};
  }
  // Empty where the sample has no such label: to both formats that is the same.
  std::string_view label_of(const Sample& sample, std::string_view name) const;
};

// Label names and values that a sample must have to be meant; further ones do not matter.
using Matcher = std::map<std::string, std::string, std::less<>>;

bool matches(const Exposition& exposition, const Sample& sample, std::string_view name,
             const Matcher& labels);

// One target's latest answer.
struct Answer {
  std::string target;
  std::shared_ptr<const Exposition> exposition;
};

// Over all answers: the sum of the finite samples that match.
double sum_of(std::span<const Answer> answers, std::string_view name, const Matcher& labels = {});

// Over all answers and label sets: the q-quantile (0..1) of the histogram <name>_bucket, linear
// within a bucket; 0 when it counted nothing.
double quantile_of(std::span<const Answer> answers, std::string_view name, double q);

}  // namespace ballast::scrape
