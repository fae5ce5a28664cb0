// Samples over time: what the operator remembers of the series that its policies ask for, one
// target at a time. A target is one life of one process. All times are ours: targets' clocks
// differ, and a sample's own timestamp only tells whether it is a new one.
//
// Invariant: what is late, missing or contradictory leaves no trace but a reason; a rate or an
// increase never reaches over a reset, a gap or two lives. A value; one user at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "operator/scrape/exposition.h"

namespace ballast::scrape {

using TimeMs = int64_t;  // passed in; on a clock that never goes back

// A series, summed over further labels. A counter only grows; where it falls, its process counts
// anew.
struct Series {
  std::string name;
  Matcher labels;
  bool counter = true;
};

struct HistoryOptions {
  TimeMs late_after_ms = 2'000;    // an answer that took longer: nobody knows of when it is
  TimeMs stale_after_ms = 15'000;  // a newest sample older than this says nothing of now
  TimeMs gap_after_ms = 30'000;    // what is on both sides of a longer gap is not connected
  TimeMs keep_ms = 300'000;
};

// What one question to a target's past answers: a value, or why there is none.
struct Reading {
  std::optional<double> value;
  const char* missing = "";  // "NoSample", "Stale", "TooShort": a word for reasons
};

// How much two counters grew over the same stretch of time.
struct Growth {
  TimeMs from_ms = 0;
  TimeMs to_ms = 0;
  double of = 0;
  double per = 0;  // above 0
};

class History {
 public:
  explicit History(std::vector<Series> series, HistoryOptions options = {})
      : series_(std::move(series)), options_(options) {}

  // An answer that was asked for at `asked_ms` and was whole at `answered_ms`. Nothing, or why it
  // is no sample.
  std::optional<std::string> observe(const std::string& target, TimeMs asked_ms, TimeMs answered_ms,
                                     const Exposition& exposition);
  void forget(const std::string& target);  // its process has ended

  // The newest value of series `index`, if it is not stale.
  Reading latest(const std::string& target, size_t index, TimeMs now) const;
  // How much a counter grew over about the last `window_ms`, at least half of it: per second.
  Reading rate(const std::string& target, size_t index, TimeMs window_ms, TimeMs now) const;
  // The growth of one counter for each unit by which another grew over the same time. "Idle" where
  // the other stood still.
  Reading ratio(const std::string& target, size_t index, size_t per, TimeMs window_ms,
                TimeMs now) const;
  // The same piece by piece, ascending in time: from answer to answer, where the other one stood
  // still on to the next. However short it is; empty where there is no ratio.
  std::vector<Growth> growth(const std::string& target, size_t index, size_t per, TimeMs window_ms,
                             TimeMs now) const;
  // How long the target has been seen without a reset or a gap; 0: it was never seen.
  TimeMs seen_for_ms(const std::string& target) const;
  std::vector<std::string> targets() const;

 private:
  struct Point {
    TimeMs at_ms = 0;
    std::vector<std::optional<double>> values;         // by series
    std::vector<std::optional<int64_t>> timestamp_ms;  // likewise, on the target's clock; newest
  };
  struct Ends {
    const Point* first = nullptr;
    const Point* last = nullptr;
    const char* missing = "";
  };
  Ends ends(const std::string& target, size_t index, TimeMs window_ms, TimeMs least_ms,
            TimeMs now) const;

  std::vector<Series> series_;
  HistoryOptions options_;
  std::map<std::string, std::deque<Point>> points_;  // ascending in time
};

}  // namespace ballast::scrape
