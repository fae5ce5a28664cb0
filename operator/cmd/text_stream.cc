#include "operator/cmd/text_stream.h"

#include <cstdint>

#include "services/data/utf8.h"

namespace ballast::cmd {
namespace {

constexpr uint32_t kReplacement = 0xfffd;

// Those of ASCII and of Latin-1, where some terminals look for commands.
bool is_control(uint32_t character) {
  if (character == '\n' || character == '\t') return false;
  return character < 0x20 || (character >= 0x7f && character < 0xa0);
}

}  // namespace

std::string TextStream::add(std::string_view bytes) {
  waiting_ += bytes;
  return take(false);
}

std::string TextStream::end() { return take(true); }

std::string TextStream::take(bool last) {
  std::string text;
  std::string_view left = waiting_;
  while (!left.empty()) {
    const Character next = first_character(left, last);
    if (next.bytes == 0) break;
    const uint32_t value = next.value < kFirstStrayByte ? next.value : kReplacement;
    if (!is_control(value)) append_character(value, text);
    left.remove_prefix(next.bytes);
  }
  waiting_ = std::string(left);
  return text;
}

}  // namespace ballast::cmd
