#include "operator/scrape/line.h"

#include <algorithm>

namespace ballast::scrape {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || c == '\t'; }

}  // namespace

bool Line::take(char c) {
  if (done() || *at_ != c) return false;
  ++at_;
  return true;
}

bool Line::take(std::string_view text) {
  if (!std::string_view(at_, static_cast<size_t>(end_ - at_)).starts_with(text)) return false;
  at_ += text.size();
  return true;
}

void Line::skip_blanks() {
  while (!done() && is_blank(*at_)) ++at_;
}

std::string_view Line::take_name() {
  char* const from = at_;
  while (!done() && (is_letter(*at_) || *at_ == ':' || (at_ != from && is_digit(*at_)))) ++at_;
  return {from, static_cast<size_t>(at_ - from)};
}

std::string_view Line::take_label() {
  char* const from = at_;
  while (!done() && (is_letter(*at_) || (at_ != from && is_digit(*at_)))) ++at_;
  return {from, static_cast<size_t>(at_ - from)};
}

std::string_view Line::take_token() {
  char* const from = at_;
  while (!done() && !is_blank(*at_)) ++at_;
  return {from, static_cast<size_t>(at_ - from)};
}

std::string_view Line::take_rest() {
  char* const from = at_;
  at_ = end_;
  return {from, static_cast<size_t>(end_ - from)};
}

Result<std::string_view> Line::take_escaped(Escapes escapes) {
  const bool help = escapes == Escapes::kHelp || escapes == Escapes::kOpenMetricsHelp;
  const bool any = escapes == Escapes::kOpenMetricsHelp || escapes == Escapes::kOpenMetricsLabel;
  char* const from = at_;
  char* to = at_;
  const auto taken = [&] { return std::string_view(from, static_cast<size_t>(to - from)); };
  for (; !done(); ++at_) {
    if (*at_ == '"' && !help) {
      ++at_;
      return taken();
    }
    if (*at_ != '\\') {
      *to++ = *at_;
      continue;
    }
    if (at_ + 1 == end_) return fail("ends with a backslash");
    const char escaped = at_[1];
    if (escaped == 'n') {
      *to++ = '\n';
    } else if (escaped == '\\' || (escaped == '"' && (any || !help))) {
      *to++ = escaped;
    } else if (any) {
      *to++ = '\\';
      *to++ = escaped;
    } else {
      return fail(std::string("unknown escape \\") + escaped);
    }
    ++at_;
  }
  if (!help) return fail("label value without a closing quote");
  return taken();
}

tl::unexpected<Error> Line::fail(std::string_view what) const {
  return ballast::fail(ErrorCode::kInvalid, "line " + std::to_string(number_) + ", byte " +
                                                std::to_string(position() + 1) + ": " +
                                                std::string(what));
}

}  // namespace ballast::scrape
