#include "operator/local/metrics_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

namespace ballast::local {
namespace {

bool name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == ':';
}

std::string take_name(std::string_view& text) {
  size_t bytes = 0;
  while (bytes < text.size() && name_byte(text[bytes])) ++bytes;
  std::string name(text.substr(0, bytes));
  text.remove_prefix(bytes);
  return name;
}

void skip_spaces(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

// "..." with \\, \" and \n.
std::optional<std::string> take_quoted(std::string_view& text) {
  if (!take(text, '"')) return std::nullopt;
  std::string value;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c == '"') return value;
    if (c != '\\') {
      value += c;
    } else if (!text.empty()) {
      value += text.front() == 'n' ? '\n' : text.front();
      text.remove_prefix(1);
    }
  }
  return std::nullopt;
}

bool take_labels(std::string_view& text, std::map<std::string, std::string>& labels) {
  while (!take(text, '}')) {
    skip_spaces(text);
    const std::string name = take_name(text);
    if (name.empty() || !take(text, '=')) return false;
    auto value = take_quoted(text);
    if (!value) return false;
    labels[name] = std::move(*value);
    take(text, ',');
    skip_spaces(text);
  }
  return true;
}

std::optional<double> number(std::string_view text) {
  if (text == "+Inf" || text == "Inf") return std::numeric_limits<double>::infinity();
  if (text == "-Inf") return -std::numeric_limits<double>::infinity();
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Sample> parse_line(std::string_view line) {
  Sample sample;
  skip_spaces(line);
  sample.name = take_name(line);
  if (sample.name.empty()) return std::nullopt;
  if (take(line, '{') && !take_labels(line, sample.labels)) return std::nullopt;
  skip_spaces(line);
  const auto value = number(line.substr(0, line.find_first_of(" \t\r")));
  if (!value) return std::nullopt;
  sample.value = *value;
  return sample;
}

}  // namespace

std::vector<Sample> parse_metrics(std::string_view text) {
  std::vector<Sample> samples;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    if (auto sample = parse_line(line)) samples.push_back(std::move(*sample));
  }
  return samples;
}

double sum_of(const std::vector<Sample>& samples, std::string_view name,
              const std::map<std::string, std::string>& labels) {
  double sum = 0;
  for (const Sample& sample : samples) {
    if (sample.name != name || !std::isfinite(sample.value)) continue;
    const bool match = std::all_of(labels.begin(), labels.end(), [&](const auto& label) {
      const auto found = sample.labels.find(label.first);
      return found != sample.labels.end() && found->second == label.second;
    });
    if (match) sum += sample.value;
  }
  return sum;
}

double quantile_of(const std::vector<Sample>& samples, const std::string& name, double q) {
  std::map<double, double> counts;  // upper bound -> observations at or below it
  for (const Sample& sample : samples) {
    if (sample.name != name + "_bucket") continue;
    const auto label = sample.labels.find("le");
    if (label == sample.labels.end()) continue;
    if (const auto bound = number(label->second)) counts[*bound] += sample.value;
  }
  if (counts.empty() || !(counts.rbegin()->second > 0)) return 0;
  const double wanted = q * counts.rbegin()->second;
  double below = 0;
  double lower = 0;
  for (const auto& [bound, count] : counts) {
    if (count >= wanted) {
      if (!std::isfinite(bound)) return lower;
      const double inside = count - below;
      return lower + (inside > 0 ? (bound - lower) * (wanted - below) / inside : 0);
    }
    below = count;
    lower = bound;
  }
  return lower;
}

}  // namespace ballast::local
