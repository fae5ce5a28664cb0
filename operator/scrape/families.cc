#include "operator/scrape/families.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "operator/scrape/numbers.h"

namespace ballast::scrape {
namespace {

struct TypeRow {
  std::string_view name;
  MetricType type;
  bool in_text;
  bool in_open_metrics;
  std::array<std::string_view, 4> suffixes;  // of samples; unused ones repeat the first
};

constexpr std::array<TypeRow, 9> kTypes = {{
    {"unknown", MetricType::kUnknown, false, true, {"", "", "", ""}},
    {"untyped", MetricType::kUnknown, true, false, {"", "", "", ""}},
    {"counter", MetricType::kCounter, true, true, {"_total", "_created", "_total", "_total"}},
    {"gauge", MetricType::kGauge, true, true, {"", "", "", ""}},
    {"histogram", MetricType::kHistogram, true, true, {"_bucket", "_count", "_sum", "_created"}},
    {"summary", MetricType::kSummary, true, true, {"", "_count", "_sum", "_created"}},
    {"gaugehistogram",
     MetricType::kGaugeHistogram,
     false,
     true,
     {"_bucket", "_gcount", "_gsum", "_bucket"}},
    {"info", MetricType::kInfo, false, true, {"_info", "_info", "_info", "_info"}},
    {"stateset", MetricType::kStateSet, false, true, {"", "", "", ""}},
}};

const TypeRow& row_of(MetricType type) {
  return *std::find_if(kTypes.begin(), kTypes.end(),
                       [&](const TypeRow& row) { return row.type == type; });
}

bool has_suffix(MetricType type, std::string_view suffix) {
  const auto& suffixes = row_of(type).suffixes;
  return std::find(suffixes.begin(), suffixes.end(), suffix) != suffixes.end();
}

// In the text format the parts of histograms and summaries alone share a family.
bool text_part(MetricType type, std::string_view suffix) {
  const bool part = suffix == "_count" || suffix == "_sum";
  return (type == MetricType::kHistogram && (part || suffix == "_bucket")) ||
         (type == MetricType::kSummary && part);
}

bool whole(double value) { return std::isfinite(value) && value == std::floor(value); }

}  // namespace

std::optional<MetricType> metric_type(std::string_view name, Format format) {
  std::string lower(name);
  if (format == Format::kPrometheus) {
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  }
  for (const TypeRow& row : kTypes) {
    if (row.name == lower && (format == Format::kPrometheus ? row.in_text : row.in_open_metrics))
      return row.type;
  }
  return std::nullopt;
}

uint32_t Families::add(std::string_view name) {
  const auto index = static_cast<uint32_t>(families_.size());
  families_.push_back({.name = name, .type = MetricType::kUnknown, .help = {}, .unit = {}});
  seen_.emplace_back();
  by_name_.emplace(name, index);
  return index;
}

Result<void> Families::set(const Line& line, std::string_view name, Metadata what,
                           std::string_view value) {
  const auto found = by_name_.find(name);
  if (strict_ && (found == by_name_.end() || found->second + 1 != families_.size())) {
    if (found != by_name_.end()) return line.fail("a family must be in one piece");
    if (auto finished = finish(line); !finished) return finished;
  }
  const uint32_t index = found == by_name_.end() ? add(name) : found->second;
  Family& family = families_[index];
  Seen& seen = seen_[index];
  if (seen.samples && (strict_ || what != Metadata::kHelp))
    return line.fail("metadata after a sample of its family");
  bool& known = what == Metadata::kHelp   ? seen.help
                : what == Metadata::kType ? seen.type
                                          : seen.unit;
  if (known) return line.fail("metadata of a family stands there a second time");
  known = true;
  if (what == Metadata::kHelp) {
    family.help = value;
  } else if (what == Metadata::kType) {
    const auto type = metric_type(value, strict_ ? Format::kOpenMetrics : Format::kPrometheus);
    if (!type) return line.fail("unknown metric type");
    family.type = *type;
  } else {
    family.unit = value;
  }
  if (strict_ && !family.unit.empty()) {
    if (!name.ends_with("_" + std::string(family.unit)))
      return line.fail("a family's name must end with its unit");
    if (family.type == MetricType::kInfo || family.type == MetricType::kStateSet)
      return line.fail("a family of this type has no unit");
  }
  return {};
}

Result<uint32_t> Families::of_sample(const Line& line, std::string_view name) {
  if (strict_) {
    if (!families_.empty()) {
      const Family& last = families_.back();
      if (name.starts_with(last.name) && has_suffix(last.type, name.substr(last.name.size()))) {
        seen_.back().samples = true;
        return static_cast<uint32_t>(families_.size() - 1);
      }
      if (name == last.name) return line.fail("a sample of this type must have a suffix");
    }
    if (by_name_.contains(name)) return line.fail("a family must be in one piece");
    if (auto finished = finish(line); !finished) return tl::unexpected(finished.error());
    const uint32_t index = add(name);
    seen_[index].samples = true;
    return index;
  }
  auto found = by_name_.find(name);
  if (found == by_name_.end()) {
    const size_t at = name.rfind('_');
    if (at != std::string_view::npos) {
      found = by_name_.find(name.substr(0, at));
      if (found != by_name_.end() && !text_part(families_[found->second].type, name.substr(at)))
        found = by_name_.end();
    }
  }
  const uint32_t index = found == by_name_.end() ? add(name) : found->second;
  seen_[index].samples = true;
  return index;
}

std::string_view Families::suffix(const Sample& sample) const {
  return sample.name.substr(families_[sample.family].name.size());
}

Result<void> Families::check(const Line& line, const Exposition& so_far, const Sample& sample) {
  const MetricType type = families_[sample.family].type;
  const bool histogram = type == MetricType::kHistogram || type == MetricType::kGaugeHistogram;
  const bool bucket = histogram && suffix(sample) == "_bucket";
  const bool quantile = type == MetricType::kSummary && suffix(sample).empty();
  const std::string_view bound = so_far.label_of(sample, bucket ? "le" : "quantile");
  if (bucket || quantile) {
    const auto value = parse_value(bound);
    const bool needed = strict_ || !bound.empty();
    if (!value && needed)
      return line.fail(bucket ? "label le must be a number" : "label quantile must be a number");
    if (strict_ && quantile && !(*value >= 0 && *value <= 1))
      return line.fail("label quantile must be within 0 and 1");
    if (strict_ && bucket) {
      // One spelling, or the same bucket would be two series.
      if (std::isinf(*value) && bound != "+Inf") return line.fail("the last bucket is le=\"+Inf\"");
      if (auto checked = check_bucket(line, so_far, sample, *value); !checked) return checked;
    }
  }
  return strict_ ? check_strict(line, so_far, sample) : Result<void>{};
}

Result<void> Families::check_strict(const Line& line, const Exposition& so_far,
                                    const Sample& sample) {
  const Family& family = families_[sample.family];
  const std::string_view part = suffix(sample);
  const bool counts = part == "_total" || part == "_count" || part == "_bucket";
  const bool sums = part == "_sum" && family.type != MetricType::kGaugeHistogram;
  if (!part.empty() && (counts || sums) && (std::isnan(sample.value) || sample.value < 0))
    return line.fail("what is counted is neither negative nor NaN");
  if ((part == "_count" || part == "_bucket" || part == "_gcount") && !part.empty() &&
      !whole(sample.value)) {
    return line.fail("a count must be whole");
  }
  if (family.type == MetricType::kInfo && sample.value != 1)
    return line.fail("the value of an info is 1");
  if (family.type == MetricType::kStateSet) {
    if (sample.value != 0 && sample.value != 1) return line.fail("the value of a state is 0 or 1");
    if (so_far.label_of(sample, family.name).empty())
      return line.fail("a state has a label of its family's name");
  }
  if (sample.exemplar && part != "_total" && part != "_bucket")
    return line.fail("only counters and buckets have exemplars");
  return {};
}

Result<void> Families::check_bucket(const Line& line, const Exposition& so_far,
                                    const Sample& sample, double bound) {
  std::vector<Label> labels;
  for (const Label& label : so_far.labels_of(sample.labels)) {
    if (label.name != "le") labels.push_back(label);
  }
  const bool ended = buckets_ && std::isinf(buckets_->bound);
  if (!buckets_ || ended || buckets_->labels != labels) {
    if (auto finished = finish(line); !finished) return finished;
    buckets_ = Buckets{std::move(labels), bound, sample.value};
    return {};
  }
  if (!(bound > buckets_->bound)) return line.fail("buckets must ascend");
  if (sample.value < buckets_->count) return line.fail("buckets must count what is below them");
  buckets_->bound = bound;
  buckets_->count = sample.value;
  return {};
}

Result<void> Families::finish(const Line& line) {
  if (buckets_ && !(std::isinf(buckets_->bound) && buckets_->bound > 0))
    return line.fail("a histogram before this line has no bucket le=\"+Inf\"");
  buckets_.reset();
  return {};
}

}  // namespace ballast::scrape
