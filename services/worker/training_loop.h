// The training loop: asks the client for work, computes it with the engine, hands the gradients
// over as they become final. Where the model has a device of its own, the next microbatch is under
// way there while the gradients of the last one leave. It holds nothing that another worker could
// not compute again.
//
// What it computes depends on (job, data, step, microbatch) and the parameters alone. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "common/error.h"
#include "common/exit_code.h"
#include "services/client/client.h"
#include "services/data/dataset.h"
#include "services/engine/model.h"
#include "services/worker/job_settings.h"
#include "services/worker/windows.h"
#include "services/worker/worker_metrics.h"

namespace ballast {

// A switch for tests: in these steps every gradient carries a NaN.
struct FaultSwitches {
  std::set<Step> nan_steps;
};

// From the value of BALLAST_TEST_NAN_STEP: steps or ranges, "7" or "7,10-19"; null or empty: none.
Result<FaultSwitches> parse_fault_switches(const char* nan_step);

struct TrainingEnd {
  ExitCode code = ExitCode::kDone;
  std::string reason;
};

class TrainingLoop {
 public:
  TrainingLoop(const JobSettings& job, const Dataset& data, Model& model, WorkerMetrics& metrics,
               FaultSwitches faults = {})
      : job_(job), data_(data), model_(model), metrics_(metrics), faults_(std::move(faults)) {}

  // Until the client says that there is no more work.
  TrainingEnd run(Client& client);

 private:
  Result<void> perform(Client& client, const Work& work);
  // False where the work is over, here and below.
  Result<bool> train(Client& client, const Work& work);
  Result<bool> evaluate(Client& client, uint32_t index);
  Result<bool> begin(Client& client, const Windows& windows,
                     const std::optional<DropoutKey>& dropout);
  void account(const Client& client);

  const JobSettings& job_;
  const Dataset& data_;
  Model& model_;
  WorkerMetrics& metrics_;
  FaultSwitches faults_;
  uint64_t works_ = 0;
  double accounted_ = 0;  // until when the time was told
};

}  // namespace ballast
