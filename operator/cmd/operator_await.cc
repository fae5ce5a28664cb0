#include "operator/cmd/operator_await.h"

#include <csignal>
#include <cstdio>
#include <ctime>
#include <string>

#include <CLI/CLI.hpp>

#include "common/exit_code.h"
#include "common/flags/usage_error.h"
#include "operator/cluster/await_job.h"
#include "operator/kube/config.h"
#include "operator/kube/curl_transport.h"

namespace ballast {
namespace {

struct Flags {
  std::string kubeconfig;
  std::string name_space;
  std::string job;
  int64_t seconds = 300;
};

ExitCode await_job(const Flags& flags) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  const auto refuse = [](const Error& error, ExitCode code) {
    std::fprintf(stderr, "ballast-operator: %s\n", error.message.c_str());
    return code;
  };
  const auto config = kube::load_config(flags.kubeconfig);
  if (!config) return refuse(config.error(), ExitCode::kUsage);
  auto transport = kube::make_curl_transport(*config);
  if (!transport) return refuse(transport.error(), ExitCode::kUsage);
  kube::KubeClient client(std::move(*transport), "ballast-await");
  const auto done = cluster::await_success(
      client, {.job = {flags.name_space.empty() ? config->name_space : flags.name_space, flags.job},
               .patience_ms = flags.seconds * 1000,
               .rest =
                   [&](int64_t ms) {
                     const timespec time{ms / 1000, ms % 1000 * 1'000'000};
                     return sigtimedwait(&ends, nullptr, &time) < 0;
                   },
               .tell =
                   [&](const std::string& line) {
                     std::printf("%s: %s\n", flags.job.c_str(), line.c_str());
                     std::fflush(stdout);
                   }});
  return done ? ExitCode::kDone : refuse(done.error(), ExitCode::kFailed);
}

}  // namespace

int await_command(int argc, char** argv) {
  CLI::App app("ballast-operator await: waits until a job has succeeded");
  Flags flags;
  app.add_option("JOB", flags.job, "The name of a TrainingJob")->required();
  app.add_option("--kubeconfig", flags.kubeconfig,
                 "File; default: $KUBECONFIG, the pod's service account, ~/.kube/config");
  app.add_option("--namespace", flags.name_space, "Of the job; default: our own");
  app.add_option("--seconds", flags.seconds, "How long at most")
      ->check(CLI::Range(int64_t{1}, int64_t{86'400}))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error);
  }
  return to_status(await_job(flags));
}

}  // namespace ballast
