// What a run's record keeps of its progress: one point for each second, later one for several of
// them. Merging keeps the least and the most of what was seen, so that a long run loses detail and
// no extreme. Plain values and pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/error.h"

namespace ballast::report {

struct Range {
  double least = 0;
  double last = 0;
  double most = 0;

  bool operator==(const Range&) const = default;
};

// Parts of the workers' time, in the order of kParts; their sum is 1.
inline constexpr const char* kParts[] = {"compute", "push", "wait", "pull"};

// What was known of one process. Absent: it has none, or nobody knew.
struct ProcessPoint {
  std::optional<double> microbatches;  // of a step: a worker's share of the work
  std::optional<double> primaries;     // segments that a server is primary of
  std::optional<double> busy;          // share of its time: event loop or computing
  std::optional<double> bytes;         // resident memory

  bool operator==(const ProcessPoint&) const = default;
};

struct Point {
  int64_t unix_time_ms = 0;  // of the last sample
  int64_t samples = 1;       // that were merged
  int64_t step = 0;          // committed
  int64_t workers = 0;
  int64_t skipped = 0;
  int64_t longest_gap_ms = 0;  // between two commits
  std::optional<Range> loss;
  std::optional<Range> validation_loss;
  std::optional<Range> tokens_per_second;
  std::optional<Range> gradient_norm;
  std::optional<double> learning_rate;
  std::optional<std::vector<double>> parts;
  std::map<std::string, ProcessPoint> processes;  // by name

  bool operator==(const Point&) const = default;
};

// `later` comes after `earlier`.
Point merge(const Point& earlier, const Point& later);

// At most `most` points: neighbours are merged, as many each time.
std::vector<Point> thinned(const std::vector<Point>& points, size_t most);

// A line of the record, without its end; and back. Unknown keys are passed over, numbers that are
// not finite are absent. kInvalid names the key.
std::string to_line(const Point& point);
Result<Point> point_from_json(const nlohmann::json& line);

// A point of the "progress" event of `ballast run --json`; nothing where it tells nothing that is
// kept: no step has been committed.
std::optional<Point> point_of_progress(const nlohmann::json& event, int64_t unix_time_ms);

}  // namespace ballast::report
