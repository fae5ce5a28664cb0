// Base64 with the standard alphabet and padding, as Kubernetes writes bytes in JSON. Pure
// functions.
#pragma once

#include <string>
#include <string_view>

#include "common/error.h"

namespace ballast {

std::string encode_base64(std::string_view bytes);
// kInvalid: another alphabet, length or padding; line breaks are not taken.
Result<std::string> decode_base64(std::string_view text);

}  // namespace ballast
