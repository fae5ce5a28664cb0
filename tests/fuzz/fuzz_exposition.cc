// What a target answers to a scrape: refused with a sentence, or samples whose names and labels lie
// in the text, and that are found again. Input: a byte that chooses the format, then the text.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/check.h"
#include "operator/scrape/parse.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast::scrape;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Format format = data[0] % 2 == 0 ? Format::kPrometheus : Format::kOpenMetrics;
  const auto read = parse(text, format, {.bytes = 1u << 20});
  if (!read) {
    CHECK(read.error().code == ballast::ErrorCode::kInvalid && read.error().message.size() < 9000);
    return 0;
  }
  const char* const begin = read->text.get();
  for (const Sample& sample : read->samples) {
    CHECK(!sample.name.empty() && sample.name.data() >= begin &&
          sample.name.data() + sample.name.size() <= begin + text.size());
    CHECK(sample.family < read->families.size());
    std::string_view before;
    for (const Label& label : read->labels_of(sample.labels)) {
      CHECK(before < label.name && read->label_of(sample, label.name) == label.value);
      before = label.name;
    }
    CHECK(!sample.exemplar || *sample.exemplar < read->exemplars.size());
  }
  return 0;
}
