#include "operator/cmd/top_table.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "common/human.h"

namespace ballast::cmd {
namespace {

using Labels = scrape::Matcher;

class Process {
 public:
  Process(const scrape::Answer& now, const scrape::Answer* before, double seconds)
      : now_(now), before_(before), seconds_(seconds) {}

  std::optional<double> value(const char* name, const Labels& labels = {}) const {
    return read(now_, name, labels);
  }
  std::optional<double> rate(const char* name, const Labels& labels = {}) const {
    if (before_ == nullptr || !(seconds_ > 0)) return std::nullopt;
    const auto from = read(*before_, name, labels);
    const auto to = read(now_, name, labels);
    if (!from || !to || *to < *from) return std::nullopt;
    return (*to - *from) / seconds_;
  }

 private:
  static std::optional<double> read(const scrape::Answer& answer, const char* name,
                                    const Labels& labels) {
    std::optional<double> sum;
    for (const scrape::Sample& sample : answer.exposition->samples) {
      if (!scrape::matches(*answer.exposition, sample, name, labels)) continue;
      if (std::isfinite(sample.value)) sum = sum.value_or(0) + sample.value;
    }
    return sum;
  }

  const scrape::Answer& now_;
  const scrape::Answer* before_;
  const double seconds_;
};

Process process_of(const TopLook& look, const scrape::Answer& now) {
  const auto before =
      std::find_if(look.before.begin(), look.before.end(),
                   [&](const scrape::Answer& answer) { return answer.target == now.target; });
  return {now, before == look.before.end() ? nullptr : &*before, look.seconds};
}

std::string number(const std::optional<double>& value) {
  return value ? fmt::format("{:.0f}", *value) : "-";
}
std::string speed(const std::optional<double>& value) {
  return value ? fmt::format("{:.1f}", *value) : "-";
}
std::string percent(const std::optional<double>& value) {
  return value ? fmt::format("{:.0f} %", 100 * *value) : "-";
}
std::string bytes(const std::optional<double>& value) {
  return value ? human_bytes(static_cast<uint64_t>(std::max(0.0, *value))) : "-";
}

std::string server_row(const std::string& name, const Process& process) {
  return fmt::format("{:<12}{:<13}{:>6}{:>10}{:>11}{:>12}{:>12}{:>12}\n", name,
                     process.value("ballast_coordinator").value_or(0) > 0 ? "coordinator" : "",
                     percent(process.rate("ballast_busy_seconds_total")),
                     number(process.value("ballast_segments")),
                     number(process.value("ballast_primary_segments")),
                     bytes(process.rate("ballast_transport_received_bytes_total")),
                     bytes(process.rate("ballast_transport_sent_bytes_total")),
                     bytes(process.value("process_resident_memory_bytes")));
}

std::string worker_row(const std::string& name, const Process& process) {
  const char* time = "ballast_worker_time_seconds_total";
  const auto part = [&](const char* what) { return process.rate(time, {{"part", what}}); };
  const auto computing = part("compute");
  auto done = process.rate("ballast_worker_microbatches_total");
  if (!computing || !(*computing > 0)) done.reset();
  return fmt::format("{:<12}{:>8}{:>14}{:>11}{:>9}{:>7}{:>7}{:>7}{:>12}\n", name,
                     number(process.value("ballast_worker_step")),
                     number(process.value("ballast_worker_assigned_microbatches")),
                     speed(done ? std::optional(*done / *computing) : std::nullopt),
                     percent(computing), percent(part("push")), percent(part("wait")),
                     percent(part("pull")), bytes(process.value("process_resident_memory_bytes")));
}

}  // namespace

std::string top_table(const TopLook& look) {
  std::string servers;
  std::string workers;
  for (const scrape::Answer& answer : look.now) {
    const Process process = process_of(look, answer);
    if (answer.target.starts_with("ps-")) servers += server_row(answer.target, process);
    if (answer.target.starts_with("worker-")) workers += worker_row(answer.target, process);
  }
  std::string text;
  if (!servers.empty()) {
    text += fmt::format("{:<25}{:>6}{:>10}{:>11}{:>12}{:>12}{:>12}\n", "SERVER", "BUSY", "SEGMENTS",
                        "PRIMARIES", "RECEIVED/s", "SENT/s", "MEMORY") +
            servers;
  }
  if (!workers.empty()) {
    text += fmt::format("{:<12}{:>8}{:>14}{:>11}{:>9}{:>7}{:>7}{:>7}{:>12}\n", "WORKER", "STEP",
                        "MICROBATCHES", "SPEED/s", "COMPUTE", "PUSH", "WAIT", "PULL", "MEMORY") +
            workers;
  }
  return text;
}

double tokens_per_second(const TopLook& look) {
  double sum = 0;
  for (const scrape::Answer& answer : look.now)
    sum += process_of(look, answer).rate("ballast_tokens_total").value_or(0);
  return sum;
}

}  // namespace ballast::cmd
