// Makes the objects of a job and takes them away: its service, its configuration, its pods. What is
// there already is left as it is where it is the job's, and left alone where it is somebody else's.
// One thread at a time; requests for several pods go out side by side.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/log.h"
#include "operator/cluster/expected.h"
#include "operator/cluster/parallel.h"
#include "operator/cluster/pod_view.h"
#include "operator/core/decide.h"
#include "operator/core/pod_template.h"
#include "operator/kube/client.h"

namespace ballast::cluster {

struct StarterOptions {
  std::shared_ptr<kube::KubeClient> client;
  std::shared_ptr<Parallel> parallel;  // makes and removes pods
  kube::PodSettings settings;
  Logger log;
};

class Starter {
 public:
  explicit Starter(StarterOptions options) : options_(std::move(options)) {}

  // Makes what pods need around them while the caller does something else; what fails is left to
  // start().
  void surround(const api::TrainingJob& job, const std::function<void()>& meanwhile);
  // What the cluster refuses becomes part of what is observed. An error: the API server does not
  // answer as it should, and everything is to be tried again.
  Result<void> start(const std::vector<decide::StartProcess>& starts, decide::Observed& observed,
                     PodView& pods);
  // Makes none of them for this reason; an error again where that is the server's.
  Result<void> refuse(const std::vector<decide::StartProcess>& starts, const Error& reason,
                      decide::Observed& observed);
  // What was made has come, or has come and gone.
  void seen(const decide::Observed& observed);
  Result<void> stop(const std::vector<decide::StopProcess>& stops, const decide::Observed& observed,
                    PodView& pods);

 private:
  // Of one process: nothing of these where it was made, or is on its way.
  struct Made {
    std::optional<decide::Trouble> refusal;
    std::optional<Error> error;
  };

  static Made failed(const kube::ApiError& error);
  Made make_surroundings(const api::TrainingJob& job, const std::function<void()>& meanwhile = {});
  Made ensure(const kube::Resource& kind, const std::string& name, const api::TrainingJob& job,
              const nlohmann::json& body);
  Made make_pod(const decide::StartProcess& start, const decide::Observed& observed, PodView& pods,
                const std::vector<std::string>& troubled);
  Made create_pod(const decide::StartProcess& start, const decide::Observed& observed,
                  const std::vector<std::string>& troubled);
  Made remove_pod(const kube::Object& pod, std::optional<int64_t> grace_seconds,
                  decide::TimeMs now_ms, PodView& pods);

  const StarterOptions options_;
  bool has_service_ = false;
  std::string config_;  // as it was written
  Expected expected_;
};

}  // namespace ballast::cluster
