// What a worker reads of a job: JobConfig (proto/ballast/v1/job.proto) in protobuf's JSON form,
// checked, as a plain struct. Generated types stop here. Pure but for reading the file; any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "services/core/layout.h"
#include "services/core/precision.h"
#include "services/engine/gpt.h"

namespace ballast {

struct JobSettings {
  std::string name;
  std::string uid;
  GptConfig model;  // the vocabulary is the tokenizer's, which is not known here
  std::vector<std::string> train;
  std::string tokenizer;
  std::string tokenizer_folder;  // with its vocabulary; may be empty
  uint32_t validation_percent = 0;
  bool mask_document_starts = false;
  uint32_t batch = 0;
  uint32_t microbatches = 0;
  uint64_t seed = 0;
  uint32_t evaluation_batches = 0;
  uint32_t segment_elements = kDefaultSegmentElements;
  Precision precision = Precision::kFp32;  // that parameters come in, and products are computed in

  uint32_t sequences() const { return batch / microbatches; }  // of a microbatch
};

// kInvalid with all problems, one a line: a key that is not known, a value of the wrong type or out
// of range, something this build cannot do (each by its path, as in "training.mode").
Result<JobSettings> parse_job(std::string_view json);

// Errors name the file.
Result<JobSettings> read_job(const std::filesystem::path& path);

}  // namespace ballast
