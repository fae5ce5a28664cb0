// The charts of a report as data: what stands on which axis, and the numbers. Pure functions of a
// record; the page's script draws what comes out, and decides nothing.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "operator/report/record.h"

namespace ballast::report {

inline constexpr size_t kMostRows = 1'000;    // of a chart: more than a screen has columns
inline constexpr size_t kMostProcesses = 24;  // that one chart shows

enum class ChartKind {
  kBands,  // a line with the least and the most around it
  kSteps,  // stays until it changes
  kStack,  // parts of a whole
};

// [least, value, most]; nothing: not known.
using Cell = std::optional<std::array<double, 3>>;

struct Row {
  double x = 0;  // a step, or milliseconds since 1970
  std::vector<Cell> cells;
};

struct Chart {
  std::string id;
  std::string title;
  std::string unit;
  std::string about;  // a sentence: how to read it
  ChartKind kind = ChartKind::kBands;
  bool over_steps = false;  // otherwise over time
  std::vector<std::string> labels;
  std::vector<Row> rows;  // ascending by x
};

// Those of which the record has numbers.
std::vector<Chart> charts_of(const Record& record);

// What was committed in the end: without the steps that a return to a checkpoint undid.
std::vector<Point> without_undone(const std::vector<Point>& points);

// What a chart shows, in words, for who does not see it.
std::string in_words(const Chart& chart);

// A number as people read it: four digits that tell.
std::string short_number(double value);

}  // namespace ballast::report
