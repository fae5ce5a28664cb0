// UTF-8 as the exposition formats demand it. Pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace ballast::scrape {

// Where the first byte stands that belongs to no well-formed character.
std::optional<size_t> first_invalid_utf8(std::string_view text);

// Of well-formed text.
size_t characters(std::string_view text);

}  // namespace ballast::scrape
