// Answers of an API server, in JSON and in protobuf: frames of a watch, lists, objects, errors.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "operator/kube/answers.h"

namespace {

using namespace ballast::kube;

void read(std::string_view text, const WireShape* shape) {
  const auto frame = parse_frame(text, {}, shape);
  // What is an object has what the machines go by.
  if (frame && frame->kind != FrameKind::kError && frame->object.resource_version.empty()) {
    __builtin_trap();
  }
  if (const auto list = parse_list(text, {}, shape)) {
    for (const Object& object : list->objects) {
      if (object.name.empty() || object.body == nullptr) __builtin_trap();
    }
  }
  // Whatever was read can be written.
  if (const auto object = parse_object(text, {}, shape)) static_cast<void>(object->body->dump());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  read(text, nullptr);
  read(text, shape_of(kPods));
  (void)error_of({500, std::string(text), {}});
  return 0;
}
