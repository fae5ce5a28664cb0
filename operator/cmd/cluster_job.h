// A job of a Kubernetes cluster, as its TrainingJob tells. Blocks for one request to the API
// server; one thread.
#pragma once

#include <string>

#include "common/error.h"
#include "operator/cmd/status_text.h"

namespace ballast::cmd {

struct ClusterPlace {
  std::string kubeconfig;  // empty: $KUBECONFIG, a pod's service account, ~/.kube/config
  std::string name_space;  // empty: of the job's file, else of the kubeconfig's context
};

// `job`: the name of a TrainingJob, or its file. kNotFound: the cluster has none of that name.
// kDenied: it may not be read. kInvalid, kUnavailable: there is no way to the API server.
Result<JobView> find_cluster_job(const ClusterPlace& place, const std::string& job);

}  // namespace ballast::cmd
