// One line of an exposition, read from left to right. Escapes are resolved in place: what is left
// of a quoted text is never longer than what stood there. One user at a time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/error.h"

namespace ballast::scrape {

enum class Escapes {
  kHelp,             // to the end of the line: \\ and \n
  kLabel,            // to a quote: \\, \" and \n
  kOpenMetricsHelp,  // as kHelp, with \", too; a backslash before anything else stands for itself
  kOpenMetricsLabel,
};

class Line {
 public:
  // [begin, end) without its line feed; `number` from 1.
  Line(char* begin, char* end, size_t number)
      : begin_(begin), at_(begin), end_(end), number_(number) {}

  bool done() const { return at_ == end_; }
  char peek() const { return done() ? '\0' : *at_; }
  bool take(char c);
  bool take(std::string_view text);
  void skip_blanks();             // spaces and tabs
  std::string_view take_name();   // [a-zA-Z_:][a-zA-Z0-9_:]*, or empty
  std::string_view take_label();  // the same without colons
  std::string_view take_token();  // up to the next blank or the end
  std::string_view take_rest();
  // What stands between here and the closing quote (help: the end of the line).
  Result<std::string_view> take_escaped(Escapes escapes);

  // "line 3, byte 12: ..."; the byte is where reading stands, from 1.
  tl::unexpected<Error> fail(std::string_view what) const;
  size_t size() const { return static_cast<size_t>(end_ - begin_); }
  size_t position() const { return static_cast<size_t>(at_ - begin_); }

 private:
  char* begin_;
  char* at_;
  char* end_;
  size_t number_;
};

}  // namespace ballast::scrape
