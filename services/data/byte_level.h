// GPT-2's byte-level alphabet: a printable letter for each byte, so that names of tokens in files
// have no blanks. Printable bytes of Latin-1 stand for themselves, the others for U+0100 and on, in
// order. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ballast {

// In UTF-8.
std::string bytes_to_name(std::string_view bytes);

// Nothing where a character of the name is no letter of the alphabet.
std::optional<std::string> name_to_bytes(std::string_view name);

}  // namespace ballast
