// A job file from anybody: problems that name a place, or a job that every reader reads alike.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/check.h"
#include "operator/api/read_training_job.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast::api;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto job = read_training_job_yaml(text);
  if (!job) {
    CHECK(!job.error().empty());
    for (const Problem& problem : job.error()) CHECK(!problem.message.empty());
    return 0;
  }
  const auto again = read_training_job_json(to_json(*job).dump());
  CHECK(again && *again == *job);
  return 0;
}
