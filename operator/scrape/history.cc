#include "operator/scrape/history.h"

#include <algorithm>
#include <cmath>

namespace ballast::scrape {
namespace {

struct Read {
  std::optional<double> value;
  std::optional<int64_t> timestamp_ms;  // the newest of the samples
  bool contradictory = false;
};

Read read(const Exposition& exposition, const Series& series) {
  Read found;
  for (const Sample& sample : exposition.samples) {
    if (!matches(exposition, sample, series.name, series.labels)) continue;
    if (!std::isfinite(sample.value) || (series.counter && sample.value < 0)) {
      found.contradictory = true;
      continue;
    }
    found.value = found.value.value_or(0) + sample.value;
    if (sample.timestamp_ms)
      found.timestamp_ms = std::max(found.timestamp_ms.value_or(INT64_MIN), *sample.timestamp_ms);
  }
  return found;
}

}  // namespace

std::optional<std::string> History::observe(const std::string& target, TimeMs asked_ms,
                                            TimeMs answered_ms, const Exposition& exposition) {
  if (answered_ms < asked_ms) return "answered before it was asked";
  if (answered_ms - asked_ms > options_.late_after_ms) return "late";
  for (const std::string& twice : exposition.contradictory) {
    const std::string_view name = std::string_view(twice).substr(0, twice.find('{'));
    if (std::any_of(series_.begin(), series_.end(),
                    [&](const Series& series) { return series.name == name; })) {
      return "contradictory: " + twice;
    }
  }
  const auto known = points_.find(target);
  const Point* before = known == points_.end() ? nullptr : &known->second.back();
  // Between question and answer nobody knows when the target looked: the middle.
  Point point{asked_ms + (answered_ms - asked_ms) / 2, {}, {}};
  if (before != nullptr && point.at_ms <= before->at_ms) return "overtaken by a later answer";
  point.values.reserve(series_.size());
  point.timestamp_ms.reserve(series_.size());
  bool anything = false;
  bool anew = before != nullptr && point.at_ms - before->at_ms > options_.gap_after_ms;
  for (size_t i = 0; i < series_.size(); ++i) {
    const Read found = read(exposition, series_[i]);
    if (found.contradictory) return "contradictory: " + series_[i].name;
    if (before != nullptr && found.value && before->values[i]) {
      // The target shows what it had shown already: it was not measured again.
      const bool same_moment = found.timestamp_ms && before->timestamp_ms[i] &&
                               *found.timestamp_ms <= *before->timestamp_ms[i];
      if (same_moment) return "measured before the last answer: " + series_[i].name;
      anew = anew || (series_[i].counter && *found.value < *before->values[i]);
    }
    anything = anything || found.value.has_value();
    point.values.push_back(found.value);
    point.timestamp_ms.push_back(found.timestamp_ms);
  }
  if (!anything) return "none of the series";
  std::deque<Point>& points = points_[target];
  if (anew) points.clear();
  // Only the newest ones are compared with: there may be thousands of targets.
  if (!points.empty()) points.back().timestamp_ms = std::vector<std::optional<int64_t>>();
  points.push_back(std::move(point));
  while (points.front().at_ms < points.back().at_ms - options_.keep_ms) points.pop_front();
  return std::nullopt;
}

void History::forget(const std::string& target) { points_.erase(target); }

Reading History::latest(const std::string& target, size_t index, TimeMs now) const {
  const auto found = points_.find(target);
  if (found == points_.end() || !found->second.back().values[index])
    return {std::nullopt, "NoSample"};
  const Point& last = found->second.back();
  if (now - last.at_ms > options_.stale_after_ms) return {std::nullopt, "Stale"};
  return {last.values[index], ""};
}

History::Ends History::ends(const std::string& target, size_t index, TimeMs window_ms,
                            TimeMs least_ms, TimeMs now) const {
  if (const Reading newest = latest(target, index, now); !newest.value)
    return {nullptr, nullptr, newest.missing};
  const std::deque<Point>& points = points_.at(target);
  const Point& last = points.back();
  const Point* first = &last;
  for (auto point = points.rbegin(); point != points.rend(); ++point) {
    if (!point->values[index]) break;  // it was not there: no longer connected
    if (point->at_ms < last.at_ms - window_ms) break;
    first = &*point;
  }
  if (last.at_ms - first->at_ms < least_ms || first == &last) return {nullptr, nullptr, "TooShort"};
  return {first, &last, ""};
}

Reading History::rate(const std::string& target, size_t index, TimeMs window_ms, TimeMs now) const {
  const Ends found = ends(target, index, window_ms, window_ms / 2, now);
  if (found.first == nullptr) return {std::nullopt, found.missing};
  const double seconds = static_cast<double>(found.last->at_ms - found.first->at_ms) / 1000;
  return {(*found.last->values[index] - *found.first->values[index]) / seconds, ""};
}

Reading History::ratio(const std::string& target, size_t index, size_t per, TimeMs window_ms,
                       TimeMs now) const {
  const Ends found = ends(target, index, window_ms, window_ms / 2, now);
  if (found.first == nullptr) return {std::nullopt, found.missing};
  if (!found.first->values[per] || !found.last->values[per]) return {std::nullopt, "NoSample"};
  const double of = *found.last->values[index] - *found.first->values[index];
  const double by = *found.last->values[per] - *found.first->values[per];
  if (!(by > 0)) return {std::nullopt, "Idle"};
  return {of / by, ""};
}

std::vector<Growth> History::growth(const std::string& target, size_t index, size_t per,
                                    TimeMs window_ms, TimeMs now) const {
  const Ends found = ends(target, index, window_ms, 0, now);
  std::vector<Growth> pieces;
  if (found.first == nullptr) return pieces;
  const std::deque<Point>& points = points_.at(target);
  const Point* before = nullptr;
  for (const Point& point : points) {
    if (point.at_ms < found.first->at_ms) continue;
    if (!point.values[per]) return {};
    if (before == nullptr) {
      before = &point;
    } else if (*point.values[per] > *before->values[per]) {
      pieces.push_back({before->at_ms, point.at_ms, *point.values[index] - *before->values[index],
                        *point.values[per] - *before->values[per]});
      before = &point;
    }
  }
  return pieces;
}

TimeMs History::seen_for_ms(const std::string& target) const {
  const auto found = points_.find(target);
  return found == points_.end() ? 0 : found->second.back().at_ms - found->second.front().at_ms;
}

std::vector<std::string> History::targets() const {
  std::vector<std::string> names;
  for (const auto& [target, points] : points_) names.push_back(target);
  return names;
}

}  // namespace ballast::scrape
