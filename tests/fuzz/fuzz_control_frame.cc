// A frame on a control stream, from anybody: refused by the field, or consistent in itself, so that
// what is decoded encodes to a frame that decodes to the same.
#include <cstddef>
#include <cstdint>
#include <string>

#include "common/check.h"
#include "services/transport/control_codec.h"

namespace ballast {
namespace {

void check_error(const Error& error) {
  CHECK(error.code == ErrorCode::kCorrupt || error.code == ErrorCode::kInvalid);
  CHECK(!error.message.empty());
}

}  // namespace
}  // namespace ballast

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  v1::Frame frame;
  if (!frame.ParseFromArray(data, static_cast<int>(size))) return 0;
  if (const auto hello = decode_hello(frame)) {
    CHECK(hello->build.size() <= 256 && hello->job_uid.size() <= 256);
  } else {
    check_error(hello.error());
  }
  const auto envelope = decode_frame(frame);
  if (!envelope) {
    check_error(envelope.error());
    return 0;
  }
  const v1::Frame once = encode_frame(*envelope);
  const auto again = decode_frame(once);
  CHECK(again.has_value());
  CHECK(encode_frame(*again).SerializeAsString() == once.SerializeAsString());
  return 0;
}
