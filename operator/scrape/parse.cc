#include "operator/scrape/parse.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "operator/scrape/families.h"
#include "operator/scrape/numbers.h"
#include "operator/scrape/same_series.h"
#include "operator/scrape/utf8.h"

namespace ballast::scrape {
namespace {

constexpr size_t kMostExemplarBytes = 128;  // of all its labels' names and values: OpenMetrics

class Parser {
 public:
  Parser(Format format, const Limits& limits)
      : format_(format), limits_(limits), families_(format) {}

  Result<Exposition> run(std::string_view text) {
    if (text.size() > limits_.bytes) return too_large("bytes", text.size(), limits_.bytes);
    if (const auto bad = first_invalid_utf8(text)) {
      const auto line = std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(*bad), '\n');
      const size_t start = *bad == 0 ? 0 : text.rfind('\n', *bad - 1) + 1;
      return fail(ErrorCode::kInvalid, "line " + std::to_string(line + 1) + ", byte " +
                                           std::to_string(*bad - start + 1) + ": not UTF-8");
    }
    // One more, so that views of nothing have a place, too.
    out_.text = std::make_unique<char[]>(text.size() + 1);
    std::memcpy(out_.text.get(), text.data(), text.size());
    if (auto read = lines(out_.text.get(), out_.text.get() + text.size()); !read)
      return tl::unexpected(read.error());
    out_.families = families_.take();
    return std::move(out_);
  }

 private:
  tl::unexpected<Error> too_large(std::string_view what, size_t found, size_t limit) const {
    return fail(ErrorCode::kInvalid, std::to_string(found) + " " + std::string(what) +
                                         ", more than the " + std::to_string(limit) +
                                         " that are read");
  }

  Result<void> lines(char* at, char* const stop) {
    size_t number = 0;
    while (at != stop) {
      char* const end = std::find(at, stop, '\n');
      Line line(at, end, ++number);
      const bool complete = end != stop;
      if (number > limits_.lines) return too_large("lines", number, limits_.lines);
      if (line.size() > limits_.line_bytes)
        return line.fail("a line of more than " + std::to_string(limits_.line_bytes) + " bytes");
      if (ended_) return line.fail("text after # EOF");
      if (auto read = one_line(line); !read) return read;
      if (!complete && !ended_)
        return line.fail("the last line has no line feed: is it all there?");
      at = complete ? end + 1 : end;
    }
    Line last(stop, stop, number + 1);
    if (auto finished = families_.finish(last); !finished) return finished;
    if (format_ == Format::kOpenMetrics && !ended_) return last.fail("no # EOF: is it all there?");
    return settle_repeated_series(out_, format_);
  }

  Result<void> one_line(Line& line) {
    if (format_ == Format::kOpenMetrics) {
      if (line.peek() == '#') return open_metrics_metadata(line);
      return sample(line);
    }
    line.skip_blanks();
    if (line.done()) return {};
    if (line.peek() == '#') return text_metadata(line);
    return sample(line);
  }

  Result<void> text_metadata(Line& line) {
    line.take('#');
    line.skip_blanks();
    const std::string_view keyword = line.take_token();
    if (keyword != "HELP" && keyword != "TYPE") return {};  // a comment
    line.skip_blanks();
    if (line.done()) return {};  // names nothing
    const std::string_view name = line.take_name();
    if (name.empty() || (!line.done() && line.peek() != ' ' && line.peek() != '\t'))
      return line.fail("not a metric name");
    line.skip_blanks();
    if (keyword == "HELP") {
      const auto help = line.take_escaped(Escapes::kHelp);
      if (!help) return tl::unexpected(help.error());
      return families_.set(line, name, Metadata::kHelp, *help);
    }
    if (line.done()) return {};
    std::string_view type = line.take_rest();
    type = type.substr(0, type.find_last_not_of(" \t") + 1);
    return families_.set(line, name, Metadata::kType, type);
  }

  Result<void> open_metrics_metadata(Line& line) {
    if (line.take("# EOF")) {
      ended_ = true;
      return line.done() ? Result<void>{} : line.fail("text after # EOF");
    }
    Metadata what = Metadata::kHelp;
    if (line.take("# TYPE ")) {
      what = Metadata::kType;
    } else if (line.take("# UNIT ")) {
      what = Metadata::kUnit;
    } else if (!line.take("# HELP ")) {
      return line.fail("expected # HELP, # TYPE, # UNIT or # EOF");
    }
    const std::string_view name = line.take_name();
    if (name.empty()) return line.fail("not a metric name");
    if (!line.take(' ')) return line.fail("expected one space");
    if (what != Metadata::kHelp) return families_.set(line, name, what, line.take_rest());
    const auto help = line.take_escaped(Escapes::kOpenMetricsHelp);
    if (!help) return tl::unexpected(help.error());
    return families_.set(line, name, what, *help);
  }

  // Between two parts of a sample: any blanks, or just one space.
  bool separator(Line& line) const {
    if (format_ == Format::kOpenMetrics) return line.take(' ');
    line.skip_blanks();
    return true;
  }

  void blanks(Line& line) const {
    if (format_ == Format::kPrometheus) line.skip_blanks();
  }

  Result<void> sample(Line& line) {
    Sample sample;
    sample.name = line.take_name();
    if (sample.name.empty()) return line.fail("not a metric name");
    if (sample.name.size() > limits_.label_name_bytes) return line.fail("the name is too long");
    if (out_.samples.size() == limits_.samples)
      return too_large("samples", limits_.samples + 1, limits_.samples);
    const char* const after_name = sample.name.data() + sample.name.size();
    blanks(line);
    if (line.take('{')) {
      const auto labels = label_set(line);
      if (!labels) return tl::unexpected(labels.error());
      sample.labels = *labels;
      if (!separator(line)) return line.fail("expected one space before the value");
    } else if (format_ == Format::kOpenMetrics ? !line.take(' ') : !is_blank(*after_name)) {
      return line.fail("expected a label set or a value");
    }
    if (auto family = families_.of_sample(line, sample.name)) {
      sample.family = *family;
    } else {
      return tl::unexpected(family.error());
    }
    const auto value = parse_value(line.take_token());
    if (!value) return line.fail("expected a number as value");
    sample.value = *value;
    if (auto rest = format_ == Format::kOpenMetrics ? timestamp_and_exemplar(line, sample)
                                                    : milliseconds(line, sample);
        !rest) {
      return rest;
    }
    if (auto checked = families_.check(line, out_, sample); !checked) return checked;
    out_.samples.push_back(sample);
    return {};
  }

  static bool is_blank(char c) { return c == ' ' || c == '\t'; }

  Result<void> milliseconds(Line& line, Sample& sample) {
    line.skip_blanks();
    if (line.done()) return {};
    sample.timestamp_ms = parse_milliseconds(line.take_token());
    if (!sample.timestamp_ms) return line.fail("expected whole milliseconds as timestamp");
    line.skip_blanks();
    if (!line.done()) return line.fail("text after the timestamp");
    return {};
  }

  Result<void> timestamp_and_exemplar(Line& line, Sample& sample) {
    if (line.done()) return {};
    if (!line.take(' ')) return line.fail("expected one space");
    if (line.peek() != '#') {
      sample.timestamp_ms = parse_seconds(line.take_token());
      if (!sample.timestamp_ms) return line.fail("expected seconds as timestamp");
      if (line.done()) return {};
      if (!line.take(' ')) return line.fail("expected one space");
    }
    if (!line.take("# {")) return line.fail("expected an exemplar");
    return exemplar(line, sample);
  }

  Result<void> exemplar(Line& line, Sample& sample) {
    Exemplar exemplar;
    const auto labels = label_set(line);
    if (!labels) return tl::unexpected(labels.error());
    exemplar.labels = *labels;
    size_t bytes = 0;
    for (const Label& label : out_.labels_of(exemplar.labels))
      bytes += characters(label.name) + characters(label.value);
    if (bytes > kMostExemplarBytes) return line.fail("an exemplar's labels are too long");
    if (!line.take(' ')) return line.fail("expected one space");
    const auto value = parse_value(line.take_token());
    if (!value) return line.fail("expected a number as value of the exemplar");
    exemplar.value = *value;
    if (line.take(' ')) {
      exemplar.timestamp_ms = parse_seconds(line.take_token());
      if (!exemplar.timestamp_ms) return line.fail("expected seconds as timestamp");
    }
    if (!line.done()) return line.fail("text after the exemplar");
    sample.exemplar = static_cast<uint32_t>(out_.exemplars.size());
    out_.exemplars.push_back(exemplar);
    return {};
  }

  // From behind the opening brace to behind the closing one.
  Result<LabelRange> label_set(Line& line) {
    const auto first = static_cast<uint32_t>(out_.labels.size());
    blanks(line);
    while (!line.take('}')) {
      auto label = one_label(line);
      if (!label) return tl::unexpected(label.error());
      out_.labels.push_back(*label);
      if (out_.labels.size() - first > limits_.labels) return line.fail("too many labels");
      blanks(line);
      if (line.take(',')) {
        blanks(line);
        // The text format allows a comma after the last label.
        if (format_ == Format::kOpenMetrics && line.peek() == '}')
          return line.fail("expected a label after the comma");
      } else if (line.peek() != '}') {
        return line.fail("expected a comma or a closing brace");
      }
    }
    const auto from = out_.labels.begin() + first;
    std::sort(from, out_.labels.end(),
              [](const Label& a, const Label& b) { return a.name < b.name; });
    const auto twice = std::adjacent_find(
        from, out_.labels.end(), [](const Label& a, const Label& b) { return a.name == b.name; });
    if (twice != out_.labels.end()) return line.fail("a label stands there twice");
    return LabelRange{first, static_cast<uint32_t>(out_.labels.size() - first)};
  }

  Result<Label> one_label(Line& line) {
    Label label;
    label.name = line.take_label();
    if (label.name.empty()) return line.fail("not a label name");
    if (label.name == "__name__") return line.fail("the label __name__ is reserved");
    if (label.name.size() > limits_.label_name_bytes) return line.fail("the name is too long");
    blanks(line);
    if (!line.take('=')) return line.fail("expected = after the label's name");
    blanks(line);
    if (!line.take('"')) return line.fail("expected a quoted label value");
    const auto value = line.take_escaped(
        format_ == Format::kOpenMetrics ? Escapes::kOpenMetricsLabel : Escapes::kLabel);
    if (!value) return tl::unexpected(value.error());
    if (value->size() > limits_.label_value_bytes) return line.fail("the label value is too long");
    label.value = *value;
    return label;
  }

  const Format format_;
  const Limits& limits_;
  Families families_;
  Exposition out_;
  bool ended_ = false;
};

}  // namespace

Format format_of(std::string_view content_type) {
  return content_type.starts_with("application/openmetrics-text") ? Format::kOpenMetrics
                                                                  : Format::kPrometheus;
}

Result<Exposition> parse(std::string_view text, Format format, const Limits& limits) {
  return Parser(format, limits).run(text);
}

}  // namespace ballast::scrape
