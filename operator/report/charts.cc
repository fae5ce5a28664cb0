#include "operator/report/charts.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <set>

#include <fmt/format.h>

#include "common/human.h"

namespace ballast::report {
namespace {

constexpr double kMebibyte = 1024.0 * 1024.0;

using CellOf = std::function<Cell(const Point&)>;
struct Series {
  std::string label;
  CellOf cell;
};

Cell single(const std::optional<double>& value, double scale = 1) {
  if (!value) return std::nullopt;
  return std::array{*value * scale, *value * scale, *value * scale};
}
Cell band(const std::optional<Range>& range) {
  if (!range) return std::nullopt;
  return std::array{range->least, range->last, range->most};
}

bool has_number(const Row& row) {
  return std::any_of(row.cells.begin(), row.cells.end(),
                     [](const Cell& cell) { return cell.has_value(); });
}

// A line is broken where the run was not there: between the last point before a start and the next.
std::vector<double> breaks_of(const Record& record) {
  std::vector<double> breaks;
  for (const Event& event : record.events) {
    if (event.kind == "start" || event.kind == "resumed")
      breaks.push_back(static_cast<double>(event.unix_time_ms));
  }
  return breaks;
}

void add_rows(Chart& chart, const std::vector<Point>& points, const std::vector<Series>& series,
              const std::vector<double>& breaks) {
  for (const Series& one : series) chart.labels.push_back(one.label);
  for (const Point& point : points) {
    Row row;
    row.x = static_cast<double>(chart.over_steps ? point.step : point.unix_time_ms);
    for (const Series& one : series) row.cells.push_back(one.cell(point));
    if (!has_number(row)) continue;
    if (!chart.rows.empty() && row.x <= chart.rows.back().x) continue;  // a clock that was set back
    for (const double at : breaks) {
      if (!chart.over_steps && !chart.rows.empty() && chart.rows.back().x < at && at < row.x)
        chart.rows.push_back({at, std::vector<Cell>(series.size())});
    }
    chart.rows.push_back(std::move(row));
  }
}

using Field = std::optional<double> ProcessPoint::*;

std::vector<Series> series_of(const std::vector<Point>& points, Field field, double scale) {
  std::set<std::string> names;
  for (const Point& point : points) {
    for (const auto& [name, process] : point.processes) {
      if (process.*field) names.insert(name);
    }
  }
  std::vector<Series> series;
  for (const std::string& name : names) {
    if (series.size() == kMostProcesses) break;
    series.push_back({name, [name, field, scale](const Point& point) -> Cell {
                        const auto found = point.processes.find(name);
                        if (found == point.processes.end()) return std::nullopt;
                        return single(found->second.*field, scale);
                      }});
  }
  return series;
}

Chart loss_chart() {
  return {"loss",
          "Loss",
          "nats per token",
          "Training loss of the committed steps, with its least and most around it, and the "
          "validation loss. Steps that a return to a checkpoint undid are not shown.",
          ChartKind::kBands,
          true,
          {},
          {}};
}

std::vector<Series> loss_series() {
  return {{"training", [](const Point& point) { return band(point.loss); }},
          {"validation", [](const Point& point) { return band(point.validation_loss); }}};
}

std::vector<Series> part_series() {
  std::vector<Series> series;
  for (size_t part = 0; part < std::size(kParts); ++part) {
    series.push_back({kParts[part], [part](const Point& point) -> Cell {
                        if (!point.parts) return std::nullopt;
                        return single((*point.parts)[part], 100);
                      }});
  }
  return series;
}

struct Described {
  Chart chart;
  std::vector<Series> series;
};

std::vector<Described> over_time(const std::vector<Point>& points) {
  const auto chart = [](const char* id, const char* title, const char* unit, const char* about,
                        ChartKind kind) {
    return Chart{id, title, unit, about, kind, false, {}, {}};
  };
  return {
      {chart("speed", "Speed", "tokens per second",
             "Over the last ten seconds each. A dip at a mark is what that event cost.",
             ChartKind::kBands),
       {{"tokens per second", [](const Point& p) { return band(p.tokens_per_second); }}}},
      {chart("parts", "Where the workers' time goes", "percent",
             "All workers together. Much waiting: the servers or a slow worker limit the job.",
             ChartKind::kStack),
       part_series()},
      {chart("gap", "Longest time between two steps", "seconds", "What a failure costs shows here.",
             ChartKind::kSteps),
       {{"seconds",
         [](const Point& p) { return single(static_cast<double>(p.longest_gap_ms) / 1000); }}}},
      {chart("norm", "Gradient norm", "",
             "Before clipping. Peaks that grow announce a loss that is not finite.",
             ChartKind::kBands),
       {{"norm", [](const Point& p) { return band(p.gradient_norm); }}}},
      {chart("rate", "Learning rate", "", "As the schedule gave it.", ChartKind::kSteps),
       {{"learning rate", [](const Point& p) { return single(p.learning_rate); }}}},
      {chart("shares", "Microbatches of each worker", "microbatches of a step",
             "How the work of a step is shared; a slower worker is given less.", ChartKind::kSteps),
       series_of(points, &ProcessPoint::microbatches, 1)},
      {chart("primaries", "Primary segments of each server", "segments",
             "How the parameters are shared; a slower server serves fewer.", ChartKind::kSteps),
       series_of(points, &ProcessPoint::primaries, 1)},
      {chart("busy", "How busy processes are", "percent",
             "Servers: time in which the event loop did not wait. Workers: time of computing.",
             ChartKind::kSteps),
       series_of(points, &ProcessPoint::busy, 100)},
      {chart("memory", "Memory of each process", "MiB", "Resident.", ChartKind::kSteps),
       series_of(points, &ProcessPoint::bytes, 1 / kMebibyte)},
  };
}

}  // namespace

std::vector<Point> without_undone(const std::vector<Point>& points) {
  std::vector<Point> kept;
  for (const Point& point : points) {
    while (!kept.empty() && kept.back().step > point.step) kept.pop_back();
    if (!kept.empty() && kept.back().step == point.step) kept.pop_back();
    kept.push_back(point);
  }
  return kept;
}

std::vector<Chart> charts_of(const Record& record) {
  std::vector<Chart> charts = {loss_chart()};
  const std::vector<double> breaks = breaks_of(record);
  add_rows(charts.back(), thinned(without_undone(record.points), kMostRows), loss_series(), {});
  const std::vector<Point> points = thinned(record.points, kMostRows);
  for (Described& described : over_time(points)) {
    add_rows(described.chart, points, described.series, breaks);
    charts.push_back(std::move(described.chart));
  }
  std::erase_if(charts, [](const Chart& chart) { return chart.rows.empty(); });
  return charts;
}

std::string short_number(double value) {
  const bool large = value >= 1e4 && value < 1e15;
  return large ? human_count(static_cast<uint64_t>(value)) : fmt::format("{:.4g}", value);
}

std::string in_words(const Chart& chart) {
  std::string text = chart.title + (chart.unit.empty() ? "" : ", in " + chart.unit) + ".";
  for (size_t label = 0; label < chart.labels.size(); ++label) {
    const double* first = nullptr;
    const double* last = nullptr;
    double least = 0;
    double most = 0;
    for (const Row& row : chart.rows) {
      const Cell& cell = row.cells[label];
      if (!cell) continue;
      least = first == nullptr ? (*cell)[0] : std::min(least, (*cell)[0]);
      most = first == nullptr ? (*cell)[2] : std::max(most, (*cell)[2]);
      if (first == nullptr) first = &(*cell)[1];
      last = &(*cell)[1];
    }
    if (first == nullptr) continue;
    text += fmt::format(" {}: from {} to {}, least {}, most {}.", chart.labels[label],
                        short_number(*first), short_number(*last), short_number(least),
                        short_number(most));
  }
  return text;
}

}  // namespace ballast::report
