// Samples over time: what the operator remembers of the series that its policies ask for, one
// target at a time. A target is one life of one process. All times are ours: targets' clocks
// differ, and a sample's own timestamp only tells whether it is a new one.
//
// Of a counter all samples are kept for a while, of another series the newest: 10,000 targets may
// be remembered, and what each of them needs is small.
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
  // Of counters, as all below. How much one grew over about the last `window_ms`, at least half of
  // it: per second.
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
  // Rows of cells: a time, then the value of each column; not a number where it was missing.
  class Target {
   public:
    std::vector<std::optional<double>> newest;         // by series
    std::vector<std::optional<int64_t>> timestamp_ms;  // likewise, on the target's clock

    size_t rows() const { return cells_.size() / (1 + columns_.size()); }
    TimeMs at_ms(size_t row) const {
      return static_cast<TimeMs>(cells_[row * (1 + columns_.size())]);
    }
    std::optional<double> value(size_t row, size_t series) const;
    void add(TimeMs at_ms, const std::vector<Series>& series);  // a row with the newest values
    void forget_before(TimeMs at_ms);
    void clear() { cells_.clear(); }

   private:
    void add_column(uint32_t series);

    std::vector<uint32_t> columns_;  // the counters that it has shown, as indices of series
    std::deque<double> cells_;
  };
  struct Ends {
    const Target* target = nullptr;  // none: see missing
    size_t first = 0;                // rows
    size_t last = 0;
    const char* missing = "";
  };
  Ends ends(const std::string& target, size_t index, TimeMs window_ms, TimeMs least_ms,
            TimeMs now) const;

  std::vector<Series> series_;
  HistoryOptions options_;
  std::map<std::string, Target> targets_;  // with at least one row each
};

}  // namespace ballast::scrape
