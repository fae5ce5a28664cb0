// Which family a line belongs to, and what each format allows there: order of metadata, suffixes of
// types, values. Built up while an exposition is read; one user at a time.
#pragma once

#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "operator/scrape/line.h"
#include "operator/scrape/parse.h"

namespace ballast::scrape {

enum class Metadata { kHelp, kType, kUnit };

class Families {
 public:
  explicit Families(Format format) : strict_(format == Format::kOpenMetrics) {}

  // Sets one piece of a family's metadata; `line` is where errors are told.
  Result<void> set(const Line& line, std::string_view name, Metadata what, std::string_view value);

  // The family of a sample of this name.
  Result<uint32_t> of_sample(const Line& line, std::string_view name);

  // Whether the sample, whole now, is one that its family can have.
  Result<void> check(const Line& line, const Exposition& so_far, const Sample& sample);

  // What is only known when a family or the text is over; told where reading stands.
  Result<void> finish(const Line& line);

  std::vector<Family> take() { return std::move(families_); }

 private:
  struct Seen {
    bool help = false;
    bool type = false;
    bool unit = false;
    bool samples = false;
  };
  // The histogram whose buckets are being read, one after the other (OpenMetrics).
  struct Buckets {
    std::vector<Label> labels;  // without le
    double bound = 0;
    double count = 0;
  };

  uint32_t add(std::string_view name);
  std::string_view suffix(const Sample& sample) const;
  Result<void> check_strict(const Line& line, const Exposition& so_far, const Sample& sample);
  Result<void> check_bucket(const Line& line, const Exposition& so_far, const Sample& sample,
                            double bound);

  const bool strict_;
  std::vector<Family> families_;
  std::vector<Seen> seen_;  // by family
  std::unordered_map<std::string_view, uint32_t> by_name_;
  std::optional<Buckets> buckets_;
};

// "counter", "gauge", ...; the text format knows fewer, and any case.
std::optional<MetricType> metric_type(std::string_view name, Format format);

}  // namespace ballast::scrape
