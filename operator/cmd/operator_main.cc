// ballast-operator: runs the TrainingJobs of a cluster.
#include <malloc.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>

#include "common/build_info/build_info.h"
#include "common/exit_code.h"
#include "common/file.h"
#include "common/flags/usage_error.h"
#include "common/log.h"
#include "common/metrics/metrics_endpoint.h"
#include "common/metrics/process_metrics.h"
#include "common/random_id.h"
#include "operator/api/problem.h"
#include "operator/cluster/operator.h"
#include "operator/cmd/operator_await.h"
#include "operator/kube/config.h"
#include "operator/kube/curl_transport.h"

namespace ballast {
namespace {

using cluster::OperatorConfig;

constexpr uint64_t kMaxConfigBytes = 1 << 20;
constexpr int64_t kLeaseRequestMs = 3'000;

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "";
}

// A flag that is not given leaves `config` as it is.
void add_flags(CLI::App& app, std::string& file, OperatorConfig& config) {
  const BuildInfo build = build_info();
  app.set_version_flag("--version", build.version + " " + build.revision);
  app.add_option("--config", file, "YAML or JSON file of settings; flags go before it");
  app.add_option("--kubeconfig", config.kubeconfig,
                 "File; default: $KUBECONFIG, the pod's service account, ~/.kube/config");
  app.add_option("--namespace", config.name_space, "Only jobs of this namespace; default: all");
  app.add_option("--image", config.image, "With ballast-ps and ballast-worker; required");
  app.add_option("--threads", config.threads, "Jobs that are looked after at once")
      ->capture_default_str();
  app.add_option("--requests", config.requests, "Pods that are made or removed at once")
      ->capture_default_str();
  app.add_option("--metrics-listen", config.metrics_listen,
                 "HOST:PORT of metrics and health (0: any port)")
      ->capture_default_str();
  app.add_option("--log-level", config.log_level, "debug, info, warning or error")
      ->capture_default_str();
  app.add_option("--leader-election", config.leader_election.enabled,
                 "false: there is no other operator")
      ->capture_default_str();
  app.add_option("--lease-namespace", config.leader_election.name_space,
                 "Where operators elect their leader; default: our own");
  app.add_option("--authority-secret", config.certificates.authority_secret,
                 "Beside the Lease: holds the authority that signs certificates of jobs")
      ->capture_default_str();
  app.add_option("--certificate-minutes", config.certificates.minutes,
                 "How long a job's certificates live; they are renewed after half of it")
      ->capture_default_str();
  app.add_option("--lease-name", config.leader_election.name, "By which Lease they do")
      ->capture_default_str();
}

Result<void> read_file_of_settings(const std::string& file, OperatorConfig& config) {
  const auto text = read_file(file, kMaxConfigBytes);
  if (!text) return tl::unexpected(text.error());
  std::string told;
  for (const api::Problem& problem : cluster::read_operator_config(*text, config)) {
    told += (told.empty() ? "" : "\n") + api::format(problem, file);
  }
  if (!told.empty()) return fail(ErrorCode::kInvalid, told);
  return {};
}

// Tells what is wrong to people, as all programs do with their flags.
ExitCode refuse(const std::string& text) {
  std::fprintf(stderr, "ballast-operator: %s\n", text.c_str());
  return ExitCode::kUsage;
}

ExitCode run(const OperatorConfig& config) {
  // Dozens of threads that mostly wait: with heaps of their own, what they free is kept for nobody.
  mallopt(M_ARENA_MAX, 2);
  // Blocked in every thread; this one takes them below.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  const Logger log(std::make_shared<StderrLogSink>(), *parse_log_level(config.log_level));
  const auto end = [&](const Error& error) {
    log.error("cannot start", {{"error", error}});
    return error.code == ErrorCode::kAlreadyExists ? ExitCode::kFailed : ExitCode::kUsage;
  };
  const auto api = kube::load_config(config.kubeconfig);
  if (!api) return end(api.error());
  auto transport = kube::make_curl_transport(*api);
  if (!transport) return end(transport.error());
  auto lease_transport = kube::make_curl_transport(*api, {.request_timeout_ms = kLeaseRequestMs});
  if (!lease_transport) return end(lease_transport.error());

  const BuildInfo build = build_info();
  cluster::Operator running({config, std::move(*transport), std::move(*lease_transport),
                             api->server, api->name_space, host_name() + "_" + random_uuid(), log});
  auto collectables = running.collectables();
  collectables.push_back(process_metrics(build));
  const auto endpoint = MetricsEndpoint::start({.listen = config.metrics_listen,
                                                .collectables = std::move(collectables),
                                                .healthy = [&] { return running.healthy(); },
                                                .ready = [&] { return running.ready(); }});
  if (!endpoint) return end(endpoint.error());
  log.info("started", {{"server", api->server},
                       {"metrics", (*endpoint)->address()},
                       {"version", build.version},
                       {"revision", build.revision},
                       {"configuration", cluster::to_json(config).dump()}});
  int signal = 0;
  sigwait(&ends, &signal);
  log.info("stopping; jobs go on", {{"signal", signal}});
  return ExitCode::kDone;
}

// Twice: the first time for the file's name alone, so that flags go before what it says.
ExitCode main_of(int argc, char** argv) {
  std::string file;
  OperatorConfig config;
  for (const bool with_file : {false, true}) {
    if (with_file && !file.empty()) {
      config = {};
      if (auto read = read_file_of_settings(file, config); !read) {
        return refuse(read.error().message);
      }
    }
    CLI::App app("ballast-operator: runs the TrainingJobs of a Kubernetes cluster");
    add_flags(app, file, config);
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return static_cast<ExitCode>(usage_error(app, error));
    }
  }
  std::string told;
  for (const api::Problem& problem : cluster::validate(config)) {
    told += (told.empty() ? "" : "\n") + api::format(problem);
  }
  if (!told.empty()) return refuse(told);
  return run(config);
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "await") {
    return ballast::await_command(argc - 1, argv + 1);
  }
  return ballast::to_status(ballast::main_of(argc, argv));
}
