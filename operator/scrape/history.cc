#include "operator/scrape/history.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/check.h"

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

std::optional<double> History::Target::value(size_t row, size_t series) const {
  const auto column = std::find(columns_.begin(), columns_.end(), series);
  if (column == columns_.end()) return std::nullopt;
  const auto index = static_cast<size_t>(column - columns_.begin());
  const double cell = cells_[row * (1 + columns_.size()) + 1 + index];
  if (std::isnan(cell)) return std::nullopt;
  return cell;
}

void History::Target::add(TimeMs at_ms, const std::vector<Series>& series) {
  for (uint32_t i = 0; i < series.size(); ++i) {
    const bool shown = std::find(columns_.begin(), columns_.end(), i) != columns_.end();
    if (series[i].counter && newest[i] && !shown) add_column(i);
  }
  cells_.push_back(static_cast<double>(at_ms));
  for (const uint32_t column : columns_)
    cells_.push_back(newest[column].value_or(std::numeric_limits<double>::quiet_NaN()));
}

void History::Target::add_column(uint32_t series) {
  const size_t width = 1 + columns_.size();
  std::deque<double> wider;
  for (size_t i = 0; i < cells_.size(); ++i) {
    wider.push_back(cells_[i]);
    if ((i + 1) % width == 0) wider.push_back(std::numeric_limits<double>::quiet_NaN());
  }
  cells_ = std::move(wider);
  columns_.push_back(series);
}

void History::Target::forget_before(TimeMs before_ms) {
  const auto width = static_cast<std::ptrdiff_t>(1 + columns_.size());
  while (at_ms(0) < before_ms) cells_.erase(cells_.begin(), cells_.begin() + width);
}

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
  const auto known = targets_.find(target);
  const Target* before = known == targets_.end() ? nullptr : &known->second;
  const TimeMs before_ms = before == nullptr ? 0 : before->at_ms(before->rows() - 1);
  // Between question and answer nobody knows when the target looked: the middle.
  const TimeMs at_ms = asked_ms + (answered_ms - asked_ms) / 2;
  if (before != nullptr && at_ms <= before_ms) return "overtaken by a later answer";
  std::vector<std::optional<double>> values;
  std::vector<std::optional<int64_t>> timestamp_ms;
  values.reserve(series_.size());
  timestamp_ms.reserve(series_.size());
  bool anything = false;
  bool anew = before != nullptr && at_ms - before_ms > options_.gap_after_ms;
  for (size_t i = 0; i < series_.size(); ++i) {
    const Read found = read(exposition, series_[i]);
    if (found.contradictory) return "contradictory: " + series_[i].name;
    if (before != nullptr && found.value && before->newest[i]) {
      // The target shows what it had shown already: it was not measured again.
      const bool same_moment = found.timestamp_ms && before->timestamp_ms[i] &&
                               *found.timestamp_ms <= *before->timestamp_ms[i];
      if (same_moment) return "measured before the last answer: " + series_[i].name;
      anew = anew || (series_[i].counter && *found.value < *before->newest[i]);
    }
    anything = anything || found.value.has_value();
    values.push_back(found.value);
    timestamp_ms.push_back(found.timestamp_ms);
  }
  if (!anything) return "none of the series";
  Target& kept = targets_[target];
  if (anew) kept.clear();
  kept.newest = std::move(values);
  kept.timestamp_ms = std::move(timestamp_ms);
  kept.add(at_ms, series_);
  kept.forget_before(at_ms - options_.keep_ms);
  return std::nullopt;
}

void History::forget(const std::string& target) { targets_.erase(target); }

Reading History::latest(const std::string& target, size_t index, TimeMs now) const {
  const auto found = targets_.find(target);
  if (found == targets_.end() || !found->second.newest[index]) return {std::nullopt, "NoSample"};
  const Target& kept = found->second;
  if (now - kept.at_ms(kept.rows() - 1) > options_.stale_after_ms) return {std::nullopt, "Stale"};
  return {kept.newest[index], ""};
}

History::Ends History::ends(const std::string& target, size_t index, TimeMs window_ms,
                            TimeMs least_ms, TimeMs now) const {
  CHECK(series_[index].counter);
  if (const Reading newest = latest(target, index, now); !newest.value)
    return {nullptr, 0, 0, newest.missing};
  const Target& kept = targets_.at(target);
  const size_t last = kept.rows() - 1;
  size_t first = last;
  while (first > 0) {
    if (!kept.value(first - 1, index)) break;  // it was not there: no longer connected
    if (kept.at_ms(first - 1) < kept.at_ms(last) - window_ms) break;
    --first;
  }
  if (kept.at_ms(last) - kept.at_ms(first) < least_ms || first == last)
    return {nullptr, 0, 0, "TooShort"};
  return {&kept, first, last, ""};
}

Reading History::rate(const std::string& target, size_t index, TimeMs window_ms, TimeMs now) const {
  const Ends found = ends(target, index, window_ms, window_ms / 2, now);
  if (found.target == nullptr) return {std::nullopt, found.missing};
  const Target& kept = *found.target;
  const double seconds =
      static_cast<double>(kept.at_ms(found.last) - kept.at_ms(found.first)) / 1000;
  return {(*kept.value(found.last, index) - *kept.value(found.first, index)) / seconds, ""};
}

Reading History::ratio(const std::string& target, size_t index, size_t per, TimeMs window_ms,
                       TimeMs now) const {
  const Ends found = ends(target, index, window_ms, window_ms / 2, now);
  if (found.target == nullptr) return {std::nullopt, found.missing};
  const Target& kept = *found.target;
  const auto per_first = kept.value(found.first, per);
  const auto per_last = kept.value(found.last, per);
  if (!per_first || !per_last) return {std::nullopt, "NoSample"};
  const double of = *kept.value(found.last, index) - *kept.value(found.first, index);
  const double by = *per_last - *per_first;
  if (!(by > 0)) return {std::nullopt, "Idle"};
  return {of / by, ""};
}

std::vector<Growth> History::growth(const std::string& target, size_t index, size_t per,
                                    TimeMs window_ms, TimeMs now) const {
  const Ends found = ends(target, index, window_ms, 0, now);
  if (found.target == nullptr) return {};
  const Target& kept = *found.target;
  std::vector<Growth> pieces;
  size_t before = found.first;
  for (size_t row = found.first; row <= found.last; ++row) {
    const auto there = kept.value(row, per);
    if (!there) return {};
    const double base = *kept.value(before, per);
    if (!(*there > base)) continue;
    pieces.push_back({kept.at_ms(before), kept.at_ms(row),
                      *kept.value(row, index) - *kept.value(before, index), *there - base});
    before = row;
  }
  return pieces;
}

TimeMs History::seen_for_ms(const std::string& target) const {
  const auto found = targets_.find(target);
  if (found == targets_.end()) return 0;
  const Target& kept = found->second;
  return kept.at_ms(kept.rows() - 1) - kept.at_ms(0);
}

std::vector<std::string> History::targets() const {
  std::vector<std::string> names;
  for (const auto& [target, kept] : targets_) names.push_back(target);
  return names;
}

}  // namespace ballast::scrape
