#include "services/data/pretokenizer.h"

#include <array>
#include <cstdint>

#include <fmt/format.h>
#include <unicode/uchar.h>

#include "services/data/utf8.h"

namespace ballast {
namespace {

enum class Kind : uint8_t { kLetter, kNumber, kSpace, kOther };

constexpr std::array<Kind, 128> ascii_kinds() {
  std::array<Kind, 128> kinds{};
  for (size_t c = 0; c < kinds.size(); ++c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool number = c >= '0' && c <= '9';
    const bool space = c == ' ' || (c >= '\t' && c <= '\r');
    kinds[c] = letter   ? Kind::kLetter
               : number ? Kind::kNumber
               : space  ? Kind::kSpace
                        : Kind::kOther;
  }
  return kinds;
}
constexpr auto kAsciiKinds = ascii_kinds();

Kind kind_of(uint32_t value) {
  if (value >= kFirstStrayByte) return Kind::kOther;
  const auto code_point = static_cast<UChar32>(value);
  if (u_isUWhiteSpace(code_point)) return Kind::kSpace;
  const uint32_t category = U_GET_GC_MASK(code_point);
  if ((category & U_GC_L_MASK) != 0) return Kind::kLetter;
  if ((category & U_GC_N_MASK) != 0) return Kind::kNumber;
  return Kind::kOther;
}

struct Classified {
  Kind kind = Kind::kOther;
  size_t bytes = 0;  // 0: more text is needed
};

Classified classify(std::string_view text, size_t position, bool last) {
  if (position == text.size()) return {};
  const auto byte = static_cast<unsigned char>(text[position]);
  if (byte < 0x80) return {kAsciiKinds[byte], 1};
  const Character character = first_character(text.substr(position), last);
  if (character.bytes == 0) return {};
  return {kind_of(character.value), character.bytes};
}

struct Run {
  enum class End { kOtherKind, kLimit, kText };
  End end = End::kText;
  size_t position = 0;  // behind its last character
  size_t previous = 0;  // before its last character
};

// The characters of `kind` from `begin` on, up to kLongestWordBytes from the begin of the text.
Run run_of(Kind kind, std::string_view text, size_t begin, bool last) {
  Run run{Run::End::kText, begin, begin};
  for (;;) {
    const Classified next = classify(text, run.position, last);
    if (next.bytes == 0) return run;
    run.end = next.kind != kind                               ? Run::End::kOtherKind
              : run.position + next.bytes > kLongestWordBytes ? Run::End::kLimit
                                                              : Run::End::kText;
    if (run.end != Run::End::kText) return run;
    run.previous = run.position;
    run.position += next.bytes;
  }
}

// 0 where the text, which begins with an apostrophe, begins with no contraction.
size_t contraction_bytes(std::string_view text) {
  for (const std::string_view contraction : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
    if (text.starts_with(contraction)) return contraction.size();
  }
  return 0;
}

}  // namespace

size_t first_word(std::string_view text, bool last) {
  if (text[0] == '\'') {
    constexpr size_t kLongestContractionBytes = 3;
    if (!last && text.size() < kLongestContractionBytes) return 0;
    if (const size_t bytes = contraction_bytes(text); bytes > 0) return bytes;
  }
  // One space goes with the run that follows it; with more white space it belongs to that.
  const bool leading_space = text[0] == ' ';
  const Classified first = classify(text, leading_space ? 1 : 0, last);
  if (first.bytes == 0) return last ? text.size() : 0;
  const Run run = run_of(first.kind, text, leading_space ? 1 : 0, last);
  if (run.end == Run::End::kText) return last ? text.size() : 0;
  if (first.kind != Kind::kSpace || run.end == Run::End::kLimit) return run.position;
  // White space before a word leaves its last character to it, unless that is all there is.
  return run.previous > 0 ? run.previous : run.position;
}

// Such a line break is a word of its own: words that begin before it end before it, and it is
// joined with what follows only where that is white space, too.
size_t last_word_cut(std::string_view text) {
  const auto visible = [&](size_t i) { return text[i] > ' ' && text[i] < 0x7f; };
  for (size_t i = text.size(); i-- > 2;) {
    if (text[i - 1] == '\n' && visible(i - 2) && visible(i)) return i;
  }
  return 0;
}

std::string unicode_version() {
  UVersionInfo version;
  u_getUnicodeVersion(version);
  return fmt::format("{}.{}", version[0], version[1]);
}

}  // namespace ballast
