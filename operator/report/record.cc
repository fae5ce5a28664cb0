#include "operator/report/record.h"

#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace ballast::report {
namespace {

using nlohmann::json;

// Lines that cannot be read, told in one sentence a file.
class BadLines {
 public:
  explicit BadLines(const char* file) : file_(file) {}

  void add(size_t line, const std::string& why) {
    if (count_++ == 0) first_ = fmt::format("the first is line {}: {}", line, why);
  }
  void tell(std::vector<std::string>& problems) const {
    if (count_ > 0)
      problems.push_back(fmt::format("{}: {} lines cannot be read; {}", file_, count_, first_));
  }

 private:
  const char* file_;
  size_t count_ = 0;
  std::string first_;
};

constexpr int64_t kLastUnixMs = 9'000'000'000'000'000;  // further ones belong to no clock

// `take(json) -> Result<void>` for each whole line. Without its end the last line may still be
// written, which is told where it cannot be read.
template <typename Take>
void read_lines(const char* file, const std::string& text, std::vector<std::string>& problems,
                const Take& take) {
  BadLines bad(file);
  size_t line = 0;
  for (size_t first = 0; first < text.size();) {
    const size_t end = text.find('\n', first);
    const bool torn = end == std::string::npos;
    const std::string_view one =
        std::string_view(text).substr(first, torn ? std::string::npos : end - first);
    first = torn ? text.size() : end + 1;
    ++line;
    if (one.empty()) continue;
    const json value = json::parse(one, nullptr, false);
    const auto taken =
        value.is_discarded() ? fail(ErrorCode::kInvalid, "no JSON") : Result<void>(take(value));
    if (taken) continue;
    if (torn) {
      problems.push_back(fmt::format("{}: its last line is not whole; it was being written", file));
    } else {
      bad.add(line, taken.error().message);
    }
  }
  bad.tell(problems);
}

void read_events(const char* file, const std::string& text, Record& record) {
  read_lines(file, text, record.problems, [&](const json& value) -> Result<void> {
    const auto field = [&](const char* key) {
      return value.is_object() && value.contains(key) ? value.at(key) : json();
    };
    if (!field("event").is_string()) return fail(ErrorCode::kInvalid, "event: expected a word");
    const auto time_ms =
        field("unixTimeMs").is_number_integer() ? field("unixTimeMs").get<int64_t>() : int64_t{-1};
    if (time_ms < 0 || time_ms > kLastUnixMs)
      return fail(ErrorCode::kInvalid, "unixTimeMs: expected milliseconds since 1970");
    record.events.push_back({time_ms, field("event").get<std::string>(), value});
    return {};
  });
}

}  // namespace

std::string Event::text(const char* key) const {
  const auto found = value.find(key);
  return found != value.end() && found->is_string() ? found->get<std::string>() : std::string();
}

int64_t Event::number(const char* key) const {
  const auto found = value.find(key);
  return found != value.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

bool Event::truth(const char* key) const {
  const auto found = value.find(key);
  return found != value.end() && found->is_boolean() && found->get<bool>();
}

std::vector<Point> read_points(const std::string& text, std::vector<std::string>& problems) {
  std::vector<Point> points;
  read_lines(kPointsFile, text, problems, [&](const json& value) -> Result<void> {
    auto point = point_from_json(value);
    if (!point) return tl::unexpected(point.error());
    points.push_back(std::move(*point));
    return {};
  });
  return points;
}

Record read_record(const RecordTexts& texts) {
  Record record;
  read_events(kOlderEventsFile, texts.older_events, record);
  read_events(kEventsFile, texts.events, record);
  if (!record.events.empty() && record.events.front().kind != "start") {
    record.problems.push_back(
        "the earliest events are not kept any more; what is shown begins later");
  }
  record.points = read_points(texts.points, record.problems);
  return record;
}

std::string to_line(const json& event, int64_t unix_time_ms) {
  json line = event;
  line["unixTimeMs"] = unix_time_ms;
  return line.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace ballast::report
