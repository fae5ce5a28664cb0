#include "services/worker/worker_model.h"

#include <fmt/format.h>

#include "services/engine/fingerprint.h"
#include "services/engine/gpu_engine.h"

namespace ballast {
namespace {

// `no_gpu`: why it is not the GPU; empty where nobody asked.
Result<WorkerModel> on_cpu(const JobSettings& job, int threads, const std::string& no_gpu) {
  if (job.precision != Precision::kFp32) {
    return fail(ErrorCode::kInvalid,
                fmt::format("workers.precision is {}, which needs a GPU, and the CPU is to compute"
                            "{}{}",
                            to_string(job.precision), no_gpu.empty() ? "" : ": ", no_gpu));
  }
  WorkerModel out;
  out.pool = std::make_unique<ThreadPool>(static_cast<size_t>(threads));
  const Compute compute{out.pool.get(), &best_kernels()};
  out.model = make_cpu_gpt(job.model, job.sequences(), compute);
  out.numerics = numerics_fingerprint(compute);
  out.computes = fmt::format("CPU, kernels {}, {} threads{}{}", compute.kernels->name, threads,
                             no_gpu.empty() ? "" : "; ", no_gpu);
  return out;
}

// Nothing, and why, where there is no GPU that this program can use.
Result<std::optional<WorkerModel>> on_gpu(const JobSettings& job, std::string& reason) {
  const auto engine = load_gpu_engine();
  if (!engine) {
    if (engine.error().code != ErrorCode::kNotFound) return tl::unexpected(engine.error());
    reason = engine.error().message;
    return std::nullopt;
  }
  const auto gpu = (*engine)->find_gpu();
  if (!gpu) return tl::unexpected(gpu.error());
  if (!*gpu) {
    reason = "this machine has no GPU";
    return std::nullopt;
  }
  auto model = (*engine)->make_gpu_gpt(job.model, job.sequences(), job.precision);
  if (!model) return tl::unexpected(model.error());
  WorkerModel out;
  out.model = std::move(*model);
  out.numerics = (*engine)->numerics_fingerprint(**gpu, job.precision);
  out.computes = fmt::format("{}, {}", (*gpu)->name, to_string(job.precision));
  return std::optional(std::move(out));
}

}  // namespace

Result<WorkerModel> make_worker_model(const JobSettings& job, DeviceChoice choice, int threads) {
  std::string reason;
  if (choice != DeviceChoice::kCpu) {
    auto found = on_gpu(job, reason);
    if (!found) return tl::unexpected(found.error());
    if (*found) return std::move(**found);
    if (choice == DeviceChoice::kGpu) {
      return fail(ErrorCode::kInvalid, fmt::format("--device is gpu: {}", reason));
    }
  }
  return on_cpu(job, threads, reason);
}

}  // namespace ballast
