// ballast-operator: runs the TrainingJobs of a cluster.
#include <unistd.h>

#include <csignal>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "common/build_info/build_info.h"
#include "common/exit_code.h"
#include "common/log.h"
#include "common/random_id.h"
#include "common/unix_time.h"
#include "operator/cluster/job_controller.h"
#include "operator/cluster/leader.h"
#include "operator/cmd/operator_await.h"
#include "operator/kube/config.h"
#include "operator/kube/cpprest_transport.h"

namespace ballast {
namespace {

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "";
}

constexpr const char* kManager = "ballast-operator";
constexpr int64_t kLeaseRequestMs = 3'000;

struct Flags {
  std::string kubeconfig;
  std::string name_space;
  std::string image;
  std::string lease_name_space;
  std::string authority_secret = "ballast-operator-ca";
  int certificate_minutes = 7 * 24 * 60;
  int threads = 4;
};

ExitCode run(const Flags& flags) {
  // Blocked in every thread; this one takes them below.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  const Logger log(std::make_shared<StderrLogSink>(), LogLevel::kInfo);
  const auto config = kube::load_config(flags.kubeconfig);
  if (!config) {
    log.error("cannot start", {{"error", config.error()}});
    return ExitCode::kUsage;
  }
  auto transport = kube::make_cpprest_transport(*config);
  if (!transport) {
    log.error("cannot start", {{"error", transport.error()}});
    return ExitCode::kUsage;
  }
  // A renewal that hangs must end while there is time to cease before another may begin.
  auto lease_transport =
      kube::make_cpprest_transport(*config, {.request_timeout_ms = kLeaseRequestMs});
  if (!lease_transport) {
    log.error("cannot start", {{"error", lease_transport.error()}});
    return ExitCode::kUsage;
  }
  auto client = std::make_shared<kube::KubeClient>(std::move(*transport), kManager);
  auto lease_client = std::make_shared<kube::KubeClient>(std::move(*lease_transport), kManager);
  const BuildInfo build = build_info();
  log.info("started", {{"server", config->server},
                       {"namespace", flags.name_space},
                       {"image", flags.image},
                       {"version", build.version},
                       {"revision", build.revision}});
  const std::string own_name_space =
      flags.lease_name_space.empty() ? config->name_space : flags.lease_name_space;
  certificates::Lives lives;
  lives.leaf_ms = int64_t{flags.certificate_minutes} * 60'000;
  const auto authority = std::make_shared<cluster::CertificateAuthority>(cluster::AuthorityOptions{
      client, {own_name_space, flags.authority_secret}, lives, unix_now_ms, log});
  std::unique_ptr<cluster::JobController> controller;  // there while this process leads
  const auto begin = [&] {
    controller = std::make_unique<cluster::JobController>(cluster::ControllerOptions{
        client, flags.name_space, authority, {flags.image}, flags.threads, log});
  };
  const auto leader = std::make_unique<cluster::Leader>(cluster::LeaderOptions{
      lease_client, own_name_space, "ballast-operator", host_name() + "_" + random_uuid(), begin,
      [&] { controller.reset(); }, log});
  int signal = 0;
  sigwait(&ends, &signal);
  log.info("stopping; jobs go on", {{"signal", signal}});
  return ExitCode::kDone;
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "await") {
    return ballast::await_command(argc - 1, argv + 1);
  }
  CLI::App app("ballast-operator: runs the TrainingJobs of a Kubernetes cluster");
  ballast::Flags flags;
  app.add_option("--kubeconfig", flags.kubeconfig,
                 "File; default: $KUBECONFIG, the pod's service account, ~/.kube/config");
  app.add_option("--namespace", flags.name_space, "Only jobs of this namespace; default: all");
  app.add_option("--image", flags.image, "With ballast-ps and ballast-worker")->required();
  app.add_option("--lease-namespace", flags.lease_name_space,
                 "Where operators elect their leader; default: our own");
  app.add_option("--authority-secret", flags.authority_secret,
                 "Beside the Lease: holds the authority that signs certificates of jobs");
  app.add_option("--certificate-minutes", flags.certificate_minutes,
                 "How long a job's certificates live; they are renewed after half of it")
      ->check(CLI::Range(2, 365 * 24 * 60));
  app.add_option("--threads", flags.threads, "Jobs that are looked after at once")
      ->check(CLI::Range(1, 64));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : ballast::to_status(ballast::ExitCode::kUsage);
  }
  return ballast::to_status(ballast::run(flags));
}
