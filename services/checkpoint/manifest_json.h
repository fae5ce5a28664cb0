// The manifest's bytes: JSON that opens with "checksum", the XXH3-128 of the whole text with zeros
// in the checksum's place. Any changed bit is found, and any JSON parser reads it. Pure; any
// thread.
#pragma once

#include <string>
#include <string_view>

#include "common/error.h"
#include "services/checkpoint/manifest.h"

namespace ballast {

// kInvalid where a text is no UTF-8.
Result<std::string> encode_manifest(const Manifest& manifest);

// kInvalid names the field, or the byte where it is no manifest. The values still need
// check_manifest.
Result<Manifest> decode_manifest(std::string_view text);

}  // namespace ballast
