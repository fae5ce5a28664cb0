// Answers of an API server: frames of a watch, lists, objects, errors.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "operator/kube/answers.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast::kube;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto frame = parse_frame(text);
  // What is an object has what the machines go by.
  if (frame && frame->kind != FrameKind::kError && frame->object.resource_version.empty()) {
    __builtin_trap();
  }
  if (const auto list = parse_list(text)) {
    for (const Object& object : list->objects) {
      if (object.name.empty() || object.body == nullptr) __builtin_trap();
    }
  }
  (void)parse_object(text);
  (void)error_of({500, std::string(text), {}});
  return 0;
}
