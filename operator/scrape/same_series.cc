#include "operator/scrape/same_series.h"

#include <algorithm>
#include <functional>
#include <unordered_map>

namespace ballast::scrape {
namespace {

constexpr size_t kMostNamed = 16;  // contradictions that are told by name

// As it stood in the text.
std::string escaped(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    text += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return text;
}

std::string describe(const Exposition& exposition, const Sample& sample) {
  std::string text(sample.name);
  char before = '{';
  for (const Label& label : exposition.labels_of(sample.labels)) {
    text += before;
    text += std::string(label.name) + "=\"" + escaped(label.value) + "\"";
    before = ',';
  }
  return before == ',' ? text + "}" : text;
}

}  // namespace

Result<void> settle_repeated_series(Exposition& exposition, Format format) {
  const auto hash = [&](uint32_t i) {
    const Sample& sample = exposition.samples[i];
    size_t mixed = std::hash<std::string_view>()(sample.name);
    const auto mix = [&](std::string_view text) {
      mixed = mixed * 0x9E3779B97F4A7C15u + std::hash<std::string_view>()(text);
    };
    for (const Label& label : exposition.labels_of(sample.labels)) {
      mix(label.name);
      mix(label.value);
    }
    return mixed;
  };
  const auto equal = [&](uint32_t a, uint32_t b) {
    const Sample& x = exposition.samples[a];
    const Sample& y = exposition.samples[b];
    const auto of_x = exposition.labels_of(x.labels);
    const auto of_y = exposition.labels_of(y.labels);
    return x.name == y.name && std::equal(of_x.begin(), of_x.end(), of_y.begin(), of_y.end());
  };
  const size_t count = exposition.samples.size();
  // Latest sample of each series. Only looked up, never walked through.
  std::unordered_map<uint32_t, uint32_t, decltype(hash), decltype(equal)> latest(2 * count + 1,
                                                                                 hash, equal);
  std::vector<bool> taken_out(count, false);
  for (uint32_t i = 0; i < count; ++i) {
    const auto [at, is_new] = latest.emplace(i, i);
    if (is_new) continue;
    const Sample& before = exposition.samples[at->second];
    const Sample& now = exposition.samples[i];
    taken_out[at->second] = true;
    if (format == Format::kOpenMetrics) {
      if (!before.timestamp_ms || !now.timestamp_ms || *now.timestamp_ms <= *before.timestamp_ms) {
        return fail(ErrorCode::kInvalid,
                    describe(exposition, now) + " stands there more than once");
      }
    } else {
      taken_out[i] = true;
      const std::string name = describe(exposition, now);
      auto& told = exposition.contradictory;
      if (told.size() < kMostNamed && std::find(told.begin(), told.end(), name) == told.end())
        told.push_back(name);
    }
    at->second = i;
  }
  size_t kept = 0;
  for (size_t i = 0; i < count; ++i) {
    if (!taken_out[i]) exposition.samples[kept++] = exposition.samples[i];
  }
  exposition.samples.resize(kept);
  return {};
}

}  // namespace ballast::scrape
