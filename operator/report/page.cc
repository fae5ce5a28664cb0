#include "operator/report/page.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "common/human.h"
#include "common/unix_time.h"
#include "operator/report/charts.h"
#include "operator/report/html.h"
#include "operator/report/story.h"
#include "operator/report/texts.h"

namespace ballast::report {
namespace {

using nlohmann::json;

constexpr size_t kMostEvents = 2'000;  // in the list; the latest
constexpr size_t kNumberRows = 12;     // of the table of numbers

using Rows = std::vector<std::vector<std::string>>;

std::string duration(const std::optional<int64_t>& ms, const char* otherwise) {
  return ms ? human_duration_ms(*ms) : otherwise;
}

std::string when(int64_t unix_ms) {
  return unix_ms > 0 ? "<time>" + human_date(unix_ms) + "</time>" : "not known";
}

std::string state_in_words(const Story& story, int64_t made_unix_ms) {
  const std::string steps = story.planned_steps > 0
                                ? fmt::format("{} of {} steps", story.step, story.planned_steps)
                                : fmt::format("{} steps", story.step);
  const std::string time = human_duration_ms(story.last_unix_ms - story.started_unix_ms);
  switch (story.state) {
    case RunState::kGoingOn:
      return fmt::format("It goes on: {} at {}.", steps, human_date(made_unix_ms));
    case RunState::kSucceeded:
      return fmt::format("It succeeded: {} in {}.", steps, time);
    case RunState::kFailed:
      return fmt::format("It failed after {}.", steps);
    case RunState::kInterrupted:
      return fmt::format("It was interrupted after {}.", steps);
    case RunState::kSuspended:
      return fmt::format("It is suspended after {}.", steps);
    case RunState::kUnknown:
      break;
  }
  return fmt::format("It ended without a word after {}: `ballast run` itself was ended.", steps);
}

class Facts {
 public:
  void add(const char* name, const std::string& html) {
    if (!html.empty()) html_ += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", name, html);
  }
  std::string html() const { return html_.empty() ? "" : "<dl>\n" + html_ + "</dl>\n"; }

 private:
  std::string html_;
};

std::string text_at(const json& object, const char* pointer) {
  const json::json_pointer at(pointer);
  if (!object.is_object() || !object.contains(at)) return "";
  const json& value = object[at];
  return escaped(value.is_string() ? value.get<std::string>() : value.dump());
}

std::optional<double> number_at(const json& object, const char* key) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_number()) return std::nullopt;
  const auto value = object[key].get<double>();
  return std::abs(value) < 1e15 ? std::optional(value)
                                : std::nullopt;  // also none that is no number
}

// The mean over the time in which it trained; gaps between starts are not in it.
std::string speed_of(const Record& record, const Story& story) {
  double tokens = number_at(story.end, "tokensPerSecond").value_or(0);
  double samples = 0;
  if (!(tokens > 0)) {
    for (const Point& point : record.points) {
      if (!point.tokens_per_second) continue;
      tokens += point.tokens_per_second->last * static_cast<double>(point.samples);
      samples += static_cast<double>(point.samples);
    }
    if (samples > 0) tokens = std::min(tokens / samples, 1e15);
  }
  return tokens > 0 ? human_count(static_cast<uint64_t>(tokens)) + " tokens/s" : "";
}

std::string facts(const Record& record, const Story& story) {
  Facts facts;
  facts.add("Started", when(story.started_unix_ms));
  if (story.starts > 1) facts.add("Starts", std::to_string(story.starts));
  facts.add("Steps", std::to_string(story.step));
  if (!record.points.empty()) {
    const Point& last = record.points.back();
    if (last.loss) facts.add("Loss", fmt::format("{:.4f}", last.loss->last));
    if (last.validation_loss)
      facts.add("Validation loss", fmt::format("{:.4f}", last.validation_loss->last));
    facts.add("Skipped steps", std::to_string(last.skipped));
  }
  facts.add("Speed", speed_of(record, story));
  facts.add("Processes lost", std::to_string(story.lost.size()));
  if (story.returns > 0) facts.add("Returns to a checkpoint", std::to_string(story.returns));
  if (const auto stall = number_at(story.end, "longestStallMs"); stall && *stall > 0)
    facts.add("Longest stand", human_duration_ms(static_cast<int64_t>(*stall)));
  facts.add("Servers", text_at(story.job, "/spec/servers/replicas"));
  facts.add("Workers", text_at(story.job, "/spec/workers/replicas"));
  facts.add("Parameters, SHA-256", text_at(story.end, "/parametersSha256"));
  return facts.html();
}

std::string lost_table(const Story& story) {
  Rows rows;
  for (const LostProcess& lost : story.lost) {
    rows.push_back(
        {std::to_string(rows.size() + 1), when(lost.unix_time_ms),
         escaped(lost.process) + " " + escaped(lost.how), std::to_string(lost.step),
         duration(lost.stalled_ms, "-"), duration(lost.back_after_ms, "not yet"),
         lost.process.starts_with("ps-") ? duration(lost.whole_after_ms, "not yet") : "-",
         lost.coordinator.empty() ? "-" : escaped(lost.coordinator)});
  }
  if (rows.empty()) return "<p>Nothing was lost.</p>\n";
  return table({"#", "When", "What", "Step", "Longest time without a step", "Back after",
                "All replicas again after", "Coordinates since"},
               rows);
}

std::string policy_table(const Record& record) {
  Rows rows;
  for (const Event& event : record.events) {
    if (event.kind != "policy" || event.text("action") == "hold") continue;
    rows.push_back({when(event.unix_time_ms), escaped(event.text("policy")),
                    escaped(event.text("message")), event.truth("carriedOut") ? "done" : "told"});
  }
  if (rows.size() > kMostEvents) rows.erase(rows.begin(), rows.end() - kMostEvents);
  if (rows.empty()) return "<p>No policy changed anything.</p>\n";
  return table({"When", "Policy", "What it said", "Done or told"}, rows);
}

std::string checkpoint_table(const Record& record) {
  Rows rows;
  for (const Event& event : record.events) {
    if (event.kind == "checkpoint")
      rows.push_back({when(event.unix_time_ms), escaped(event.text("directory"))});
  }
  if (rows.size() > kMostEvents) rows.erase(rows.begin(), rows.end() - kMostEvents);
  if (rows.empty()) return "<p>No checkpoint was written yet.</p>\n";
  return table({"When", "Folder"}, rows);
}

// Each with all its fields: whatever a later version says is shown, too.
std::string event_table(const Record& record) {
  Rows rows;
  const size_t first = record.events.size() > kMostEvents ? record.events.size() - kMostEvents : 0;
  for (size_t index = first; index < record.events.size(); ++index) {
    const Event& event = record.events[index];
    json fields = event.value;
    for (const char* known : {"event", "unixTimeMs", "job", "sample"}) fields.erase(known);
    rows.push_back({when(event.unix_time_ms), escaped(event.kind),
                    fields.empty()
                        ? ""
                        : escaped(fields.dump(-1, ' ', false, json::error_handler_t::replace))});
  }
  const std::string head = first > 0
                               ? fmt::format("<p>The latest {} of {}; the record has all.</p>\n",
                                             kMostEvents, record.events.size())
                               : "";
  return head + table({"When", "Event", "Fields"}, rows);
}

std::string number_table(const Record& record) {
  Rows rows;
  const auto text = [](const std::optional<Range>& range) {
    return range ? short_number(range->last) : std::string("-");
  };
  for (const Point& point : thinned(record.points, kNumberRows)) {
    rows.push_back({when(point.unix_time_ms), std::to_string(point.step), text(point.loss),
                    text(point.validation_loss), text(point.tokens_per_second),
                    human_duration_ms(point.longest_gap_ms), std::to_string(point.workers)});
  }
  if (rows.empty()) return "<p>No step has been committed yet.</p>\n";
  return table({"Until", "Step", "Loss, nats", "Validation loss, nats", "Tokens/s",
                "Longest time between two steps", "Workers"},
               rows);
}

std::string kind_name(ChartKind kind) {
  if (kind == ChartKind::kSteps) return "steps";
  return kind == ChartKind::kStack ? "stack" : "bands";
}

json to_json(const Chart& chart) {
  json rows = json::array();
  for (const Row& row : chart.rows) {
    json cells = {row.x};
    for (const Cell& cell : row.cells) cells.push_back(cell ? json(*cell) : json());
    rows.push_back(std::move(cells));
  }
  return {{"id", chart.id},
          {"kind", kind_name(chart.kind)},
          {"overSteps", chart.over_steps},
          {"labels", chart.labels},
          {"unit", chart.unit},
          {"rows", std::move(rows)}};
}

// Numbers as in the table of what was lost.
json marks_of(const Story& story) {
  json marks = json::array();
  for (const LostProcess& lost : story.lost) {
    marks.push_back({{"x", lost.unix_time_ms}, {"label", std::to_string(marks.size() + 1)}});
  }
  return marks;
}

std::string figures(const std::vector<Chart>& charts) {
  std::string out;
  for (const Chart& chart : charts) {
    out += fmt::format(
        "<figure>\n<figcaption><b>{}</b>{}<span>{}</span></figcaption>\n"
        "<div class=\"legend\" id=\"{}-legend\"></div>\n"
        "<div class=\"chart\" id=\"{}\" role=\"img\" aria-label=\"{}\"></div>\n</figure>\n",
        escaped(chart.title), chart.unit.empty() ? "" : ", " + escaped(chart.unit),
        escaped(chart.about), chart.id, chart.id, escaped(in_words(chart)));
  }
  return out;
}

std::string problems(const Record& record) {
  if (record.problems.empty()) return "";
  std::string out = "<ul class=\"problems\">\n";
  for (const std::string& problem : record.problems) out += "<li>" + escaped(problem) + "</li>\n";
  return out + "</ul>\n";
}

std::string section(const char* title, const std::string& html) {
  return fmt::format("<section>\n<h2>{}</h2>\n{}</section>\n", title, html);
}

}  // namespace

std::string page_of(const Record& record, const PageOptions& options) {
  const Story story = story_of(record, options.held);
  const std::string name = escaped(story.job_name.empty() ? "a job" : story.job_name);
  const std::vector<Chart> charts = charts_of(record);
  json data = {{"marks", marks_of(story)}, {"charts", json::array()}};
  for (const Chart& chart : charts) data["charts"].push_back(to_json(chart));

  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n"
      "<title>Run of {}</title>\n<style>{}\n{}</style>\n</head>\n<body>\n<header>\n<h1>Run of {}"
      "</h1>\n<p class=\"state {}\">{}</p>\n",
      name, chart_style, page_style, name,
      story.state == RunState::kFailed || story.state == RunState::kUnknown ? "bad" : "good",
      escaped(state_in_words(story, options.made_unix_ms)));
  if (!story.message.empty()) out += "<pre>" + escaped(story.message) + "</pre>\n";
  out += problems(record) + facts(record, story) + "</header>\n<main>\n";
  out += section("Course", charts.empty() ? "<p>No step has been committed yet.</p>\n"
                                          : "<noscript><p>The charts need JavaScript; the numbers "
                                            "below do not.</p></noscript>\n" +
                                                figures(charts));
  out += section("What was lost, and how it came back", lost_table(story));
  out += section("What policies did", policy_table(record));
  out += section("In numbers", number_table(record));
  out += section("Checkpoints", checkpoint_table(record));
  out += "<details>\n<summary>All events</summary>\n" + event_table(record) + "</details>\n";
  if (story.job.is_object()) {
    out += "<details>\n<summary>The job</summary>\n<pre>" +
           escaped(story.job.dump(2, ' ', false, json::error_handler_t::replace)) +
           "</pre>\n</details>\n";
  }
  out += fmt::format(
      "</main>\n<footer>\n<p>Made {} by ballast {} from {}. Times are UTC.</p>\n"
      "<details>\n<summary>Charts by dygraphs, MIT license</summary>\n<pre>{}</pre>"
      "\n</details>\n</footer>\n",
      when(options.made_unix_ms), escaped(options.build), escaped(options.record_folder),
      escaped(chart_license));
  out += fmt::format(
      "<script>{}</script>\n<script id=\"data\" type=\"application/json\">{}"
      "</script>\n<script>{}</script>\n</body>\n</html>\n",
      chart_script, script_json(data), page_script);
  return out;
}

}  // namespace ballast::report
