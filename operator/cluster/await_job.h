// Waits until a job has ended: for pods that have no kubectl, such as that of `helm test`.
// Asks the API server again and again; what it cannot answer is asked again, until the time is
// over.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/clock.h"
#include "common/error.h"
#include "operator/kube/client.h"

namespace ballast::cluster {

struct AwaitOptions {
  kube::ObjectName job;
  int64_t patience_ms = 300'000;
  int64_t look_again_ms = 1'000;
  std::shared_ptr<const Clock> clock = std::make_shared<SteadyClock>();
  std::function<bool(int64_t)> rest;             // so long; false: give up
  std::function<void(const std::string&)> tell;  // the job's state and step, whenever they change
};

// Done when the job has succeeded. Errors: kInvalid with its reason when it has failed, kDenied
// when it may not be read, kTimeout.
Result<void> await_success(kube::KubeClient& client, const AwaitOptions& options);

}  // namespace ballast::cluster
