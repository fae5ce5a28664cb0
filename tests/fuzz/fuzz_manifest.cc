// A checkpoint's manifest, damaged where its checksum does not see it: refused by the field, or a
// manifest that is written and read again. Input: what follows the checksum.
#include <cstddef>
#include <cstdint>
#include <string>

#include "common/check.h"
#include "common/checksum.h"
#include "services/checkpoint/manifest_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  const std::string opening = "{\n\"checksum\": \"";
  const std::string no_checksum(32, '0');
  const std::string rest(reinterpret_cast<const char*>(data), size);
  const std::string checksum = to_hex(xxh3_128(as_bytes(opening + no_checksum + rest)));
  const auto manifest = decode_manifest(opening + checksum + rest);
  if (!manifest) {
    CHECK(manifest.error().code == ErrorCode::kInvalid && !manifest.error().message.empty());
    return 0;
  }
  if (!check_manifest(*manifest)) return 0;
  const auto text = encode_manifest(*manifest);
  CHECK(text.has_value());
  const auto again = decode_manifest(*text);
  CHECK(again && *again == *manifest);
  return 0;
}
