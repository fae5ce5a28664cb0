// TrainingJobs in JSON, as an API server sends them, and their way back.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "operator/api/read_training_job.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast::api;
  const auto job =
      read_training_job_json(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!job) {
    if (job.error().empty()) __builtin_trap();  // refused without a reason
    return 0;
  }
  const auto again = read_training_job_json(to_json(*job).dump());
  if (!again || !(*again == *job)) __builtin_trap();
  return 0;
}
