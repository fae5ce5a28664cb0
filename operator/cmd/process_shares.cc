#include "operator/cmd/process_shares.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <span>
#include <utility>

namespace ballast::cmd {
namespace {

std::optional<double> value_of(const scrape::Answer& answer, std::string_view metric,
                               const scrape::Matcher& labels = {}) {
  for (const scrape::Sample& sample : answer.exposition->samples) {
    if (scrape::matches(*answer.exposition, sample, metric, labels) && std::isfinite(sample.value))
      return sample.value;
  }
  return std::nullopt;
}

void put(nlohmann::json& object, const char* key, const std::optional<double>& value) {
  if (value) object[key] = *value;
}

// The latest life of each process.
std::map<std::string, const scrape::Answer*> latest(const std::vector<scrape::Answer>& answers) {
  std::map<std::string, std::pair<int64_t, const scrape::Answer*>> found;
  for (const scrape::Answer& answer : answers) {
    const size_t dot = answer.target.rfind('.');
    int64_t life = 0;
    if (dot != std::string::npos)
      std::from_chars(answer.target.data() + dot + 1, answer.target.data() + answer.target.size(),
                      life);
    auto& known = found[answer.target.substr(0, dot)];
    if (known.second == nullptr || life >= known.first) known = {life, &answer};
  }
  std::map<std::string, const scrape::Answer*> out;
  for (const auto& [name, one] : found) out[name] = one.second;
  return out;
}

}  // namespace

void ProcessShares::put_busy(nlohmann::json& process, const std::string& name,
                             const scrape::Answer& answer, int64_t now_ms) {
  auto seconds = value_of(answer, "ballast_busy_seconds_total");
  if (!seconds) {
    seconds = value_of(answer, "ballast_worker_time_seconds_total", {{"part", "compute"}});
  }
  if (!seconds) return;
  const Busy before = std::exchange(busy_[name], Busy{answer.target, *seconds, now_ms});
  if (before.target != answer.target || before.at_ms >= now_ms || *seconds < before.seconds) return;
  process["busy"] = 1000 * (*seconds - before.seconds) / static_cast<double>(now_ms - before.at_ms);
}

void ProcessShares::look(const std::vector<scrape::Answer>& answers,
                         const std::function<bool(const std::string&)>& lives, int64_t now_ms) {
  json_ = nlohmann::json::object();
  for (const auto& [name, answer] : latest(answers)) {
    if (!lives(name)) continue;
    nlohmann::json& process = json_[name] = nlohmann::json::object();
    put(process, "microbatches", value_of(*answer, "ballast_worker_assigned_microbatches"));
    put(process, "primaries", value_of(*answer, "ballast_primary_segments"));
    put(process, "bytes", value_of(*answer, "process_resident_memory_bytes"));
    put_busy(process, name, *answer, now_ms);
  }
}

}  // namespace ballast::cmd
