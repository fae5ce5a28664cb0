// A safetensors file from anybody: refused, or entries that lie within it.
#include <cstddef>
#include <cstdint>

#include "services/checkpoint/safetensors.h"
#include "tests/fuzz/input_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  const InputFile file(std::as_bytes(std::span(data, size)));
  const auto opened = SafetensorsReader::open(file.path());
  if (!opened) {
    CHECK(opened.error().code == ErrorCode::kCorrupt && opened.error().message.size() < 4000);
    return 0;
  }
  uint64_t total = 0;
  for (const SafetensorsEntry& entry : opened->entries()) {
    const auto bytes = opened->data(entry.name);
    CHECK(bytes && bytes->size() == data_bytes(entry));
    total += bytes->size();
    if (entry.dtype != DType::kF32) CHECK(!opened->floats(entry.name));
  }
  CHECK(total < size);
  return 0;
}
