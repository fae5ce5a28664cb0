// ballast-ps: one parameter server of one job.
#include <malloc.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "common/build_info/build_info.h"
#include "common/clock.h"
#include "common/exit_code.h"
#include "common/file.h"
#include "common/flags/usage_error.h"
#include "common/log.h"
#include "common/metrics/metrics_endpoint.h"
#include "common/metrics/process_metrics.h"
#include "common/random_id.h"
#include "services/server/server.h"
#include "services/transport/grpc_transport.h"

namespace ballast {
namespace {

constexpr int64_t kStuckMs = 30000;  // a turn of the loop so long is no health

struct Flags {
  std::string name;
  std::string job_uid;
  std::string listen;
  std::string metrics_listen;
  std::string ready_file;
  Security security;
  int threads = 1;
};

void add_flags(CLI::App& app, Flags& flags) {
  app.add_option("--name", flags.name, "Name of this process, e.g. ps-0")->required();
  app.add_option("--job-uid", flags.job_uid, "The job it belongs to")->required();
  app.add_option("--listen", flags.listen, "unix:/DIR/NAME.sock or HOST:PORT (0: any port)")
      ->required();
  app.add_option("--metrics-listen", flags.metrics_listen,
                 "HOST:PORT of metrics and health (0: any port)")
      ->required();
  app.add_option("--ready-file", flags.ready_file, "Written once the process listens");
  app.add_option("--tls-certificate", flags.security.tls_certificate, "PEM file");
  app.add_option("--tls-key", flags.security.tls_key, "PEM file");
  app.add_option("--tls-ca", flags.security.tls_ca, "PEM file");
  app.add_flag("--trusted-network", flags.security.trusted_network, "Allow TCP without TLS");
  app.add_option(
         "--threads", flags.threads,
         "Accepted for symmetry: one thread for the network and sums, one for the optimizer")
      ->check(CLI::Range(1, 1024));
}

// SIGTERM and SIGINT end the server from a thread of their own.
class Signals {
 public:
  Signals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGUSR1);  // ends the waiting thread
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }
  void watch(Server& server) {
    thread_ = std::jthread([this, &server] {
      int signal = 0;
      sigwait(&set_, &signal);
      if (signal != SIGUSR1) server.stop();
    });
  }
  ~Signals() {
    if (thread_.joinable()) pthread_kill(thread_.native_handle(), SIGUSR1);
  }

 private:
  sigset_t set_{};
  std::jthread thread_;
};

Result<void> write_ready_file(const Flags& flags, uint64_t incarnation, const std::string& address,
                              const std::string& metrics_address) {
  if (flags.ready_file.empty()) return {};
  const nlohmann::json ready = {{"name", flags.name},
                                {"incarnation", incarnation},
                                {"address", address},
                                {"metrics_address", metrics_address},
                                {"pid", ::getpid()}};
  return write_file_atomically(flags.ready_file, ready.dump() + "\n");
}

// "ps-1:40": this process, that step.
std::optional<Step> flip_at_step(const std::string& self, const char* value) {
  const std::string text = value == nullptr ? "" : value;
  const size_t colon = text.find(':');
  if (colon == std::string::npos || text.substr(0, colon) != self) return std::nullopt;
  Step step = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + colon + 1, end, step);
  return parsed.ec == std::errc{} && parsed.ptr == end ? std::optional(step) : std::nullopt;
}

ExitCode exit_code(const Error& error) {
  return error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kAlreadyExists ||
                 error.code == ErrorCode::kInternal
             ? ExitCode::kFailed
             : ExitCode::kUsage;
}

ExitCode run(const Flags& flags) {
  // Pieces come and go by the megabyte: their memory is kept for the next ones.
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  Signals signals;
  const BuildInfo build = build_info();
  const Logger log(std::make_shared<StderrLogSink>(), LogLevel::kInfo,
                   {{"pod", flags.name}, {"job", flags.job_uid}});
  const auto end = [&](const Error& error) {
    log.error("cannot start", {{"error", error}});
    return exit_code(error);
  };
  const ProcessId self{.name = flags.name, .incarnation = random_id()};

  TransportOptions options{.self = {.from = self,
                                    .protocol = kProtocolVersion,
                                    .build = build.version + " " + build.revision,
                                    .job_uid = flags.job_uid,
                                    .role = Role::kServer,
                                    .process_id = ::getpid(),
                                    .address = {},
                                    .session = 0},
                           .listen = flags.listen,
                           .advertise = {},
                           .security = flags.security,
                           .limits = {}};
  Result<std::unique_ptr<Transport>> transport = make_grpc_transport(std::move(options));
  if (!transport) return end(transport.error());
  const std::string address = (*transport)->address();

  Server server({.self = self,
                 .job_uid = flags.job_uid,
                 .server = {},
                 .coordinator = {},
                 .flip_at_step = flip_at_step(flags.name, std::getenv("BALLAST_TEST_FLIP_BIT"))},
                std::move(*transport), log);
  const SteadyClock clock;
  auto endpoint = MetricsEndpoint::start(
      {.listen = flags.metrics_listen,
       .collectables = {server.metrics().registry(),
                        process_metrics(build, flags.name, self.incarnation)},
       .healthy = [&]() -> Result<void> {
         const int64_t since = clock.now_ms() - server.last_turn_ms();
         if (!server.ready() || since < kStuckMs) return {};
         return fail(ErrorCode::kUnavailable,
                     "the event loop has not turned for " + std::to_string(since) + " ms");
       },
       .ready = [&]() -> Result<void> {
         if (server.ready()) return {};
         return fail(ErrorCode::kUnavailable, "not started yet");
       }});
  if (!endpoint) return end(endpoint.error());
  if (auto written = write_ready_file(flags, self.incarnation, address, (*endpoint)->address());
      !written) {
    return end(written.error());
  }
  log.info("listening", {{"address", address},
                         {"metrics", (*endpoint)->address()},
                         {"incarnation", self.incarnation},
                         {"version", build.version},
                         {"revision", build.revision}});
  signals.watch(server);
  server.run();
  if (server.expelled()) {
    log.error("removed from the job while it was silent; another life takes its place");
    return ExitCode::kFailed;
  }
  log.info("stopped");
  return ExitCode::kInterrupted;
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  CLI::App app("ballast-ps: a parameter server of a Ballast job");
  app.footer(
      "BALLAST_TEST_FLIP_BIT=ps-1:40 in the environment is for tests of faults: after step 40 one\n"
      "bit of a parameter that ps-1 holds changes.");
  ballast::Flags flags;
  ballast::add_flags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ballast::usage_error(app, error);
  }
  return ballast::to_status(ballast::run(flags));
}
