// What ballast-operator can be told: defaults here, then a file, then flags. Plain values; reading
// is pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/log.h"
#include "operator/api/problem.h"

namespace ballast::cluster {

struct LeaderElectionConfig {
  bool enabled = true;                    // off: there must be no other operator
  std::string name_space;                 // of the Lease; empty: our own
  std::string name = "ballast-operator";  // of the Lease
};

struct CertificatesConfig {
  std::string authority_secret = "ballast-operator-ca";  // beside the Lease; holds the authority
  int64_t minutes = 7 * 24 * 60;  // life of a job's certificates; renewed after half of it
};

struct OperatorConfig {
  std::string kubeconfig;  // file; empty: $KUBECONFIG, the pod's service account, ~/.kube/config
  std::string name_space;  // only its jobs; empty: those of all namespaces
  std::string image;       // with ballast-ps and ballast-worker; there is no default
  int64_t threads = 24;    // jobs that are looked after at once
  int64_t requests = 64;   // pods that are made or removed at once, of all jobs together
  std::string metrics_listen = "0.0.0.0:8080";  // metrics and health; port 0: any free one
  std::string log_level = "info";               // debug, info, warning, error
  LeaderElectionConfig leader_election;
  CertificatesConfig certificates;
};

// Takes what the text (YAML or JSON) says over what `config` holds, and tells all that is wrong
// with it; unknown keys are.
std::vector<api::Problem> read_operator_config(std::string_view text, OperatorConfig& config);

// All problems, by the names that they have in a file.
std::vector<api::Problem> validate(const OperatorConfig& config);

// As a file has it: reading it gives the same again. There are no secrets in it.
nlohmann::json to_json(const OperatorConfig& config);

}  // namespace ballast::cluster
