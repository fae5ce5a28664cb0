// What a run has left on disk, as values: its events and its points, out of the text of files that
// another process may be writing, or was ended while it wrote. What cannot be read is told, and
// nothing else is lost for it. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "operator/report/point.h"

namespace ballast::report {

// Names of the files in a record's folder.
inline constexpr const char* kEventsFile = "events.jsonl";
inline constexpr const char* kOlderEventsFile = "events.older.jsonl";
inline constexpr const char* kPointsFile = "progress.jsonl";

struct Event {
  int64_t unix_time_ms = 0;
  std::string kind;      // "ready", "ended", ...
  nlohmann::json value;  // the whole object

  // Empty, 0 or false where it has no such text, number or truth.
  std::string text(const char* key) const;
  int64_t number(const char* key) const;
  bool truth(const char* key) const;
};

struct Record {
  std::vector<Event> events;  // in their order
  std::vector<Point> points;  // in their order
  std::vector<std::string> problems;
};

struct RecordTexts {
  std::string older_events;
  std::string events;
  std::string points;
};

Record read_record(const RecordTexts& texts);

// The lines of a file of points that can be read.
std::vector<Point> read_points(const std::string& text, std::vector<std::string>& problems);

// An event as a line of the record, without its end.
std::string to_line(const nlohmann::json& event, int64_t unix_time_ms);

}  // namespace ballast::report
