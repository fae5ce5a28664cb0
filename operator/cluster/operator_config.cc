#include "operator/cluster/operator_config.h"

#include "common/address.h"
#include "operator/api/document.h"
#include "operator/api/field_reader.h"

namespace ballast::cluster {
namespace {

constexpr int64_t kMostThreads = 64;
constexpr int64_t kMostRequests = 256;
constexpr int64_t kMostMinutes = 365 * 24 * 60;

}  // namespace

std::vector<api::Problem> read_operator_config(std::string_view text, OperatorConfig& config) {
  const auto document = api::parse_yaml(text);
  if (!document) return {{"", 0, document.error().message}};
  std::vector<api::Problem> problems;
  api::FieldReader fields(&*document, "", problems);
  fields.text("kubeconfig", config.kubeconfig);
  fields.text("namespace", config.name_space);
  fields.text("image", config.image);
  fields.integer("threads", config.threads);
  fields.integer("requests", config.requests);
  fields.text("metricsListen", config.metrics_listen);
  fields.text("logLevel", config.log_level);
  api::FieldReader election = fields.map("leaderElection");
  election.boolean("enabled", config.leader_election.enabled);
  election.text("namespace", config.leader_election.name_space);
  election.text("name", config.leader_election.name);
  election.finish();
  api::FieldReader certificates = fields.map("certificates");
  certificates.text("authoritySecret", config.certificates.authority_secret);
  certificates.integer("minutes", config.certificates.minutes);
  certificates.finish();
  fields.finish();
  return problems;
}

std::vector<api::Problem> validate(const OperatorConfig& config) {
  std::vector<api::Problem> problems;
  const auto within = [&](const char* name, int64_t value, int64_t most, int64_t least = 1) {
    if (value >= least && value <= most) return;
    problems.push_back({name, 0,
                        "found " + std::to_string(value) + "; expected " + std::to_string(least) +
                            " to " + std::to_string(most)});
  };
  if (config.image.empty()) {
    problems.push_back(
        {"image", 0, "is missing; expected the image that has ballast-ps and ballast-worker"});
  }
  within("threads", config.threads, kMostThreads);
  within("requests", config.requests, kMostRequests);
  if (const auto address = parse_host_port(config.metrics_listen); !address) {
    problems.push_back({"metricsListen", 0, address.error().message});
  }
  if (const auto level = parse_log_level(config.log_level); !level) {
    problems.push_back({"logLevel", 0, level.error().message});
  }
  if (config.leader_election.enabled && config.leader_election.name.empty()) {
    problems.push_back({"leaderElection.name", 0, "is empty; expected the name of a Lease"});
  }
  if (config.certificates.authority_secret.empty()) {
    problems.push_back({"certificates.authoritySecret", 0, "is empty; expected a Secret's name"});
  }
  within("certificates.minutes", config.certificates.minutes, kMostMinutes, 2);
  return problems;
}

nlohmann::json to_json(const OperatorConfig& config) {
  return {{"kubeconfig", config.kubeconfig},
          {"namespace", config.name_space},
          {"image", config.image},
          {"threads", config.threads},
          {"requests", config.requests},
          {"metricsListen", config.metrics_listen},
          {"logLevel", config.log_level},
          {"leaderElection",
           {{"enabled", config.leader_election.enabled},
            {"namespace", config.leader_election.name_space},
            {"name", config.leader_election.name}}},
          {"certificates",
           {{"authoritySecret", config.certificates.authority_secret},
            {"minutes", config.certificates.minutes}}}};
}

}  // namespace ballast::cluster
