#include "operator/cluster/operator_config.h"

#include <gmock/gmock.h>

namespace ballast::cluster {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> told(const std::vector<api::Problem>& problems) {
  std::vector<std::string> lines;
  for (const api::Problem& problem : problems) lines.push_back(api::format(problem));
  return lines;
}

TEST(OperatorConfig, AFileSaysWhatItSaysAndLeavesTheRest) {
  OperatorConfig config;
  config.threads = 3;
  EXPECT_THAT(told(read_operator_config("image: registry/ballast:1\n"
                                        "leaderElection: {namespace: there}\n",
                                        config)),
              IsEmpty());
  EXPECT_EQ(config.image, "registry/ballast:1");
  EXPECT_EQ(config.leader_election.name_space, "there");
  EXPECT_TRUE(config.leader_election.enabled);
  EXPECT_EQ(config.threads, 3);
}

TEST(OperatorConfig, WhatIsWrittenIsReadBack) {
  OperatorConfig config;
  config.kubeconfig = "/a/b";
  config.name_space = "n";
  config.image = "i";
  config.threads = 7;
  config.requests = 9;
  config.metrics_listen = "127.0.0.1:0";
  config.log_level = "debug";
  config.leader_election = {false, "m", "o"};
  config.certificates = {"s", 5};
  OperatorConfig again;
  EXPECT_THAT(told(read_operator_config(to_json(config).dump(), again)), IsEmpty());
  const auto written = to_json(config);
  EXPECT_EQ(to_json(again), written);
  EXPECT_THAT(told(validate(again)), IsEmpty());
  // No field has the value that it has anyway: one that is not read would be seen.
  const auto defaults = to_json(OperatorConfig());
  for (const auto& [key, value] : written.items()) EXPECT_NE(value, defaults[key]) << key;
}

TEST(OperatorConfig, TellsAllThatIsWrongWithAFile) {
  OperatorConfig config;
  EXPECT_THAT(told(read_operator_config(
                  "thread: 3\nrequests: many\nleaderElection: {enable: true}\n", config)),
              ElementsAre("line 2: requests: found the string \"many\"; expected a whole number",
                          "line 3: leaderElection.enable: unknown field; did you mean enabled?",
                          "line 1: thread: unknown field; did you mean threads?"));
}

TEST(OperatorConfig, TellsAllValuesThatCannotBe) {
  OperatorConfig config;
  config.threads = 0;
  config.requests = 1000;
  config.metrics_listen = "nowhere";
  config.log_level = "loud";
  config.leader_election.name = "";
  config.certificates = {"", 1};
  std::vector<std::string> paths;
  for (const api::Problem& problem : validate(config)) paths.push_back(problem.path);
  EXPECT_THAT(paths, ElementsAre("image", "threads", "requests", "metricsListen", "logLevel",
                                 "leaderElection.name", "certificates.authoritySecret",
                                 "certificates.minutes"));
}

}  // namespace
}  // namespace ballast::cluster
