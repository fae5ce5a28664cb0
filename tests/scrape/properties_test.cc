// What is written is read back; no bytes do harm, and what is accepted is made of the input.
#include <cmath>
#include <map>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "operator/scrape/parse.h"

namespace ballast::scrape {
namespace {

using Series = std::pair<std::string, std::map<std::string, std::string>>;

rc::Gen<std::string> name() {
  return rc::gen::map(rc::gen::pair(rc::gen::element('a', 'Z', '_'),
                                    rc::gen::container<std::string>(
                                        rc::gen::element('a', 'b', 'c', 'X', '_', '0', '9'))),
                      [](const auto& parts) { return parts.first + parts.second; });
}

rc::Gen<std::string> value() {
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
                          "a", "\\", "\"", "\n", "n", " ", "{", "}", ",", "=", "#", "\xc3\xa9",
                          "\xf0\x9f\x98\x80", "\t")),
                      [](const std::vector<std::string>& parts) {
                        std::string text;
                        for (const std::string& part : parts) text += part;
                        return text;
                      });
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? "\\n" : std::string(1, c);
  }
  return out;
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

RC_GTEST_PROP(ScrapeProperties, WhatIsWrittenIsReadBack, (bool open_metrics)) {
  const auto written = *rc::gen::scale(
      0.3, rc::gen::container<std::map<Series, double>>(
               rc::gen::pair(
                   name(), rc::gen::container<std::map<std::string, std::string>>(name(), value())),
               rc::gen::arbitrary<double>()));
  std::string text;
  for (const auto& [series, number_] : written) {  // by name, as families must be in one piece
    text += series.first;
    if (!series.second.empty()) {
      char before = '{';
      for (const auto& [label, of_label] : series.second) {
        text += before + label + "=\"" + escaped(of_label) + "\"";
        before = ',';
      }
      text += '}';
    }
    text += " " + number(number_) + "\n";
  }
  if (open_metrics) text += "# EOF\n";
  const auto read = parse(text, open_metrics ? Format::kOpenMetrics : Format::kPrometheus);
  if (!read) RC_FAIL(read.error().message);
  RC_ASSERT(read->samples.size() == written.size());
  auto at = written.begin();
  for (const Sample& sample : read->samples) {
    Series series;
    series.first = sample.name;
    for (const Label& label : read->labels_of(sample.labels))
      series.second.emplace(label.name, label.value);
    RC_ASSERT(series == at->first);
    RC_ASSERT((sample.value == at->second || (std::isnan(sample.value) && std::isnan(at->second))));
    ++at;
  }
}

RC_GTEST_PROP(ScrapeProperties, DamageIsReadOrRefused, (uint32_t at, char byte, bool cut)) {
  std::string text =
      "# HELP a_total x\n# TYPE a_total counter\na_total{x=\"\\n\\\\\",y=\"2\"} 1.5 12\n"
      "# TYPE h histogram\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n";
  if (cut) {
    text.resize(at % text.size());
    const bool whole_lines = text.empty() || text.back() == '\n';
    RC_ASSERT(parse(text, Format::kPrometheus).has_value() == whole_lines);
  } else {
    text[at % text.size()] = byte;
  }
  for (const Format format : {Format::kPrometheus, Format::kOpenMetrics}) {
    const auto read = parse(text, format);
    RC_ASSERT(
        (read || (read.error().code == ErrorCode::kInvalid && !read.error().message.empty())));
  }
}

}  // namespace
}  // namespace ballast::scrape
