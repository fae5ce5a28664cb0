// The model of a job on what this machine has: the GPU, where this build can use one and there is
// one, and otherwise the CPU's threads.
#pragma once

#include <memory>
#include <string>

#include "common/error.h"
#include "services/engine/model.h"
#include "services/worker/job_settings.h"

namespace ballast {

enum class DeviceChoice { kAuto, kCpu, kGpu };

struct WorkerModel {
  std::unique_ptr<ThreadPool> pool;  // of the CPU's model, which it outlives
  std::unique_ptr<Model> model;
  std::string numerics;  // fingerprint
  std::string computes;  // for people: "kernels avx512, 4 threads", "NVIDIA H100 80GB HBM3, bf16"
};

// kInvalid: this machine can never compute this job, with the reason. kUnavailable: not now.
Result<WorkerModel> make_worker_model(const JobSettings& job, DeviceChoice choice, int threads);

}  // namespace ballast
