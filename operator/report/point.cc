#include "operator/report/point.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace ballast::report {
namespace {

using nlohmann::json;

constexpr int64_t kMostSamples = int64_t{1} << 40;  // of a point: a run of ten thousand years

std::optional<Range> merge(const std::optional<Range>& a, const std::optional<Range>& b) {
  if (!a || !b) return b ? b : a;
  return Range{std::min(a->least, b->least), b->last, std::max(a->most, b->most)};
}

std::optional<double> merge_mean(const std::optional<double>& a, int64_t a_samples,
                                 const std::optional<double>& b, int64_t b_samples) {
  if (!a || !b) return b ? b : a;
  const auto of_a = static_cast<double>(a_samples);
  const auto of_b = static_cast<double>(b_samples);
  return (*a * of_a + *b * of_b) / (of_a + of_b);
}

std::optional<double> number(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  const auto value = found->get<double>();
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

int64_t whole(const json& object, const char* key) {
  const auto value = number(object, key);
  if (!value || std::abs(*value) > 9e15) return 0;
  return std::llround(*value);
}

std::optional<Range> single(const std::optional<double>& value) {
  if (!value) return std::nullopt;
  return Range{*value, *value, *value};
}

// [least, last, most]
std::optional<Range> range(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array() || found->size() != 3) return std::nullopt;
  for (const json& value : *found) {
    if (!value.is_number() || !std::isfinite(value.get<double>())) return std::nullopt;
  }
  return Range{(*found)[0].get<double>(), (*found)[1].get<double>(), (*found)[2].get<double>()};
}

void put(json& object, const char* key, const std::optional<Range>& value) {
  if (value) object[key] = {value->least, value->last, value->most};
}
void put(json& object, const char* key, const std::optional<double>& value) {
  if (value) object[key] = *value;
}

ProcessPoint merge(const ProcessPoint& a, int64_t a_samples, const ProcessPoint& b,
                   int64_t b_samples) {
  return {merge_mean(a.microbatches, a_samples, b.microbatches, b_samples),
          merge_mean(a.primaries, a_samples, b.primaries, b_samples),
          merge_mean(a.busy, a_samples, b.busy, b_samples),
          a.bytes && b.bytes ? std::max(a.bytes, b.bytes) : (b.bytes ? b.bytes : a.bytes)};
}

std::map<std::string, ProcessPoint> processes_of(const json& object) {
  std::map<std::string, ProcessPoint> processes;
  const auto found = object.find("processes");
  if (found == object.end() || !found->is_object()) return processes;
  for (const auto& [name, process] : found->items()) {
    if (!process.is_object()) continue;
    processes[name] = {number(process, "microbatches"), number(process, "primaries"),
                       number(process, "busy"), number(process, "bytes")};
  }
  return processes;
}

json to_json(const std::map<std::string, ProcessPoint>& processes) {
  json out = json::object();
  for (const auto& [name, process] : processes) {
    json& one = out[name] = json::object();
    put(one, "microbatches", process.microbatches);
    put(one, "primaries", process.primaries);
    put(one, "busy", process.busy);
    put(one, "bytes", process.bytes);
  }
  return out;
}

}  // namespace

Point merge(const Point& earlier, const Point& later) {
  Point out = later;
  out.samples = std::min(earlier.samples + later.samples, kMostSamples);
  out.longest_gap_ms = std::max(earlier.longest_gap_ms, later.longest_gap_ms);
  out.loss = merge(earlier.loss, later.loss);
  out.validation_loss = merge(earlier.validation_loss, later.validation_loss);
  out.tokens_per_second = merge(earlier.tokens_per_second, later.tokens_per_second);
  out.gradient_norm = merge(earlier.gradient_norm, later.gradient_norm);
  if (!out.learning_rate) out.learning_rate = earlier.learning_rate;
  if (!out.parts) out.parts = earlier.parts;
  if (earlier.parts && later.parts) {
    for (size_t part = 0; part < std::size(kParts); ++part) {
      (*out.parts)[part] =
          *merge_mean((*earlier.parts)[part], earlier.samples, (*later.parts)[part], later.samples);
    }
  }
  // One that has gone is not carried on: it would seem to be there still.
  for (auto& [name, process] : out.processes) {
    const auto before = earlier.processes.find(name);
    if (before != earlier.processes.end())
      process = merge(before->second, earlier.samples, process, later.samples);
  }
  return out;
}

std::vector<Point> thinned(const std::vector<Point>& points, size_t most) {
  if (points.size() <= most || most == 0) return points;
  const size_t each = (points.size() + most - 1) / most;
  std::vector<Point> out;
  for (size_t first = 0; first < points.size(); first += each) {
    Point point = points[first];
    for (size_t next = first + 1; next < std::min(first + each, points.size()); ++next)
      point = merge(point, points[next]);
    out.push_back(std::move(point));
  }
  return out;
}

std::string to_line(const Point& point) {
  json out = {{"unixTimeMs", point.unix_time_ms},
              {"samples", point.samples},
              {"step", point.step},
              {"workers", point.workers},
              {"skipped", point.skipped},
              {"longestGapMs", point.longest_gap_ms}};
  put(out, "loss", point.loss);
  put(out, "validationLoss", point.validation_loss);
  put(out, "tokensPerSecond", point.tokens_per_second);
  put(out, "gradientNorm", point.gradient_norm);
  put(out, "learningRate", point.learning_rate);
  if (point.parts) out["shareOfTime"] = *point.parts;
  if (!point.processes.empty()) out["processes"] = to_json(point.processes);
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<Point> point_from_json(const json& line) {
  if (!line.is_object()) return fail(ErrorCode::kInvalid, "expected an object");
  for (const char* key : {"unixTimeMs", "step"}) {
    if (!number(line, key))
      return fail(ErrorCode::kInvalid, std::string(key) + ": expected a number");
  }
  Point point;
  point.unix_time_ms = whole(line, "unixTimeMs");
  point.samples = std::max<int64_t>(1, whole(line, "samples"));
  point.step = whole(line, "step");
  point.workers = whole(line, "workers");
  point.skipped = whole(line, "skipped");
  point.longest_gap_ms = whole(line, "longestGapMs");
  point.loss = range(line, "loss");
  point.validation_loss = range(line, "validationLoss");
  point.tokens_per_second = range(line, "tokensPerSecond");
  point.gradient_norm = range(line, "gradientNorm");
  point.learning_rate = number(line, "learningRate");
  const auto parts = line.find("shareOfTime");
  if (parts != line.end() && parts->is_array() && parts->size() == std::size(kParts) &&
      std::all_of(parts->begin(), parts->end(), [](const json& v) { return v.is_number(); })) {
    point.parts = parts->get<std::vector<double>>();
  }
  point.processes = processes_of(line);
  return point;
}

std::optional<Point> point_of_progress(const json& event, int64_t unix_time_ms) {
  Point point;
  point.unix_time_ms = unix_time_ms;
  point.step = whole(event, "step");
  point.workers = whole(event, "workers");
  point.skipped = whole(event, "skipped");
  point.longest_gap_ms = whole(event, "longestGapMs");
  if (point.step == 0) return std::nullopt;
  point.loss = single(number(event, "loss"));
  point.validation_loss = single(number(event, "validationLoss"));
  point.tokens_per_second = single(number(event, "tokensPerSecond"));
  point.gradient_norm = single(number(event, "gradientNorm"));
  point.learning_rate = number(event, "learningRate");
  const auto share = event.find("shareOfTime");
  if (share != event.end() && share->is_object()) {
    point.parts.emplace();
    for (const char* part : kParts) point.parts->push_back(number(*share, part).value_or(0));
  }
  point.processes = processes_of(event);
  return point;
}

}  // namespace ballast::report
