// ballast-worker: computes gradients of the microbatches that its job gives it.
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "common/build_info/build_info.h"
#include "common/cgroup.h"
#include "common/clock.h"
#include "common/exit_code.h"
#include "common/file.h"
#include "common/flags/usage_error.h"
#include "common/log.h"
#include "common/metrics/metrics_endpoint.h"
#include "common/metrics/process_metrics.h"
#include "common/random_id.h"
#include "services/worker/leave_on_signal.h"
#include "services/worker/training_loop.h"
#include "services/worker/worker_model.h"

namespace ballast {
namespace {

constexpr int64_t kTokenizingEveryMs = 2'000;
constexpr std::chrono::seconds kLastScrapeWithin{2};  // of a job that is done

struct Flags {
  std::string name;
  std::string job_file;
  std::vector<std::string> servers;
  std::string cache_folder;
  std::string metrics_listen;
  std::string ready_file;
  Security security;
  int threads = 0;
  std::string device = "auto";
};

void add_flags(CLI::App& app, Flags& flags) {
  app.add_option("--name", flags.name, "Name of this process, e.g. worker-0")->required();
  app.add_option("--job", flags.job_file, "File with the job, as the operator writes it")
      ->required();
  app.add_option("--servers", flags.servers, "Addresses of servers: unix:/PATH or HOST:PORT, ...")
      ->required()
      ->delimiter(',');
  app.add_option("--cache-dir", flags.cache_folder, "Folder for token files")->required();
  app.add_option("--metrics-listen", flags.metrics_listen,
                 "HOST:PORT of metrics and health (0: any port)")
      ->required();
  app.add_option("--ready-file", flags.ready_file, "Written once the process listens");
  app.add_option("--tls-certificate", flags.security.tls_certificate, "PEM file");
  app.add_option("--tls-key", flags.security.tls_key, "PEM file");
  app.add_option("--tls-ca", flags.security.tls_ca, "PEM file");
  app.add_flag("--trusted-network", flags.security.trusted_network, "Allow TCP without TLS");
  app.add_option("--threads", flags.threads, "Threads for arithmetic (0: as many as CPUs)")
      ->check(CLI::Range(0, 1024));
  app.add_option("--device", flags.device,
                 "What computes: cpu, gpu, or auto, the GPU where there is one")
      ->check(CLI::IsMember({"auto", "cpu", "gpu"}));
}

DeviceChoice device_choice(const Flags& flags) {
  if (flags.device == "cpu") return DeviceChoice::kCpu;
  return flags.device == "gpu" ? DeviceChoice::kGpu : DeviceChoice::kAuto;
}

// Before the job is asked: what stands in flags, job file and data does not get better by itself.
ExitCode exit_code_of_start(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalid:
    case ErrorCode::kNotFound:
    case ErrorCode::kDenied:
    case ErrorCode::kCorrupt:
      return ExitCode::kUsage;
    default:
      return ExitCode::kFailed;
  }
}

ExitCode exit_code_of_join(const Error& error) {
  switch (error.code) {
    case ErrorCode::kDenied:
      return ExitCode::kRefused;
    case ErrorCode::kInvalid:
      return ExitCode::kUsage;
    default:
      return ExitCode::kFailed;
  }
}

// Everything that stands before the job is joined.
struct Worker {
  JobSettings job;
  FaultSwitches faults;
  std::optional<Dataset> data;
  WorkerModel computing;
};

// All CPUs tokenize, however few threads compute: only one worker of a machine does it.
TokenCacheOptions cache_options(const Flags& flags, const Logger& log, WorkerMetrics& metrics) {
  TokenCacheOptions cache;
  cache.folder = flags.cache_folder;
  cache.threads = static_cast<size_t>(usable_threads());
  cache.progress = [&log, &metrics, clock = SteadyClock(), told_ms = int64_t{0}](
                       uint64_t bytes, uint64_t of_bytes) mutable {
    metrics.tokenized(bytes, of_bytes);
    if (told_ms == 0 || bytes == of_bytes || clock.now_ms() >= told_ms + kTokenizingEveryMs) {
      told_ms = clock.now_ms();
      log.info("tokenizing", {{"bytes", bytes}, {"of_bytes", of_bytes}});
    }
  };
  return cache;
}

Result<Worker> prepare(const Flags& flags, const Logger& log, WorkerMetrics& metrics) {
  for (const std::string& address : flags.servers) {
    if (auto checked = check_security(flags.security, address); !checked) {
      return tl::unexpected(checked.error());
    }
  }
  Worker worker;
  auto job = read_job(flags.job_file);
  if (!job) {
    return tl::unexpected(job.error());
  }
  worker.job = std::move(*job);
  auto faults = parse_fault_switches(std::getenv("BALLAST_TEST_NAN_STEP"));
  if (!faults) {
    return tl::unexpected(faults.error());
  }
  worker.faults = std::move(*faults);
  RealFileSystem files;
  DatasetConfig config;
  config.train = worker.job.train;
  config.tokenizer = worker.job.tokenizer;
  config.vocabulary = worker.job.tokenizer_folder;
  config.validation_percent = worker.job.validation_percent;
  config.context = worker.job.model.context;
  auto data = Dataset::open(files, config, cache_options(flags, log, metrics));
  if (!data) {
    return tl::unexpected(data.error());
  }
  worker.data = std::move(*data);
  worker.job.model.vocabulary = worker.data->tokenizer().vocabulary_size();
  const int threads = flags.threads > 0 ? flags.threads : usable_threads();
  auto computing = make_worker_model(worker.job, device_choice(flags), threads);
  if (!computing) {
    return tl::unexpected(computing.error());
  }
  worker.computing = std::move(*computing);
  return worker;
}

void log_start(const Logger& log, const Worker& worker, const ClientPlan& plan) {
  const MemoryBytes memory = worker.computing.model->memory();
  log.info("data", {{"tokens", worker.data->total_tokens()},
                    {"train_tokens", worker.data->train_tokens()},
                    {"file", worker.data->token_path().string()},
                    {"tokenized", worker.data->tokenized()},
                    {"damaged", worker.data->damaged()}});
  log.info("memory plan", {{"parameters_bytes", plan.parameters},
                           {"gradient_bytes", plan.gradient},
                           {"partial_sums_bytes", plan.partial_sums},
                           {"activations_bytes", memory.activations},
                           {"recompute", worker.job.model.recompute},
                           {"logits_bytes", memory.logits}});
  log.info("numerics",
           {{"fingerprint", worker.computing.numerics}, {"computes", worker.computing.computes}});
  if (!worker.faults.nan_steps.empty()) {
    log.warning("faults are switched on", {{"nan_steps", worker.faults.nan_steps.size()}});
  }
}

Result<void> write_ready_file(const Flags& flags, uint64_t incarnation,
                              const std::string& metrics_address) {
  if (flags.ready_file.empty()) {
    return {};
  }
  const nlohmann::json ready = {{"name", flags.name},
                                {"incarnation", incarnation},
                                {"address", ""},
                                {"metrics_address", metrics_address},
                                {"pid", ::getpid()}};
  return write_file_atomically(flags.ready_file, ready.dump() + "\n");
}

std::vector<NamedFile> named_files(const Tokenizer& tokenizer) {
  std::vector<NamedFile> files;
  for (TokenizerFile& file : tokenizer.files()) {
    files.push_back({.name = std::move(file.name), .content = std::move(file.content)});
  }
  return files;
}

ClientOptions client_options(const Flags& flags, const JobSettings& job, uint64_t incarnation,
                             const BuildInfo& build, WorkerMetrics& metrics) {
  return {.name = flags.name,
          .incarnation = incarnation,
          .job_uid = job.uid,
          .servers = flags.servers,
          .build = build.version + " " + build.revision,
          .microbatches = job.microbatches,
          .segment_elements = job.segment_elements,
          .security = flags.security,
          .protocol = {.precision = job.precision},
          .observer = &metrics};
}

ExitCode run(const Flags& flags) {
  LeaveOnSignal signals;
  const BuildInfo build = build_info();
  const Logger log(std::make_shared<StderrLogSink>(), LogLevel::kInfo, {{"pod", flags.name}});
  const auto end = [&](const Error& error) {
    log.error("cannot start", {{"error", error}});
    return exit_code_of_start(error);
  };
  const uint64_t incarnation = random_id();
  WorkerMetrics metrics(log);
  auto endpoint = MetricsEndpoint::start(
      {.listen = flags.metrics_listen,
       .collectables = {metrics.registry(), process_metrics(build, flags.name, incarnation)},
       .healthy = {},
       .ready = [&]() -> Result<void> {
         if (metrics.joined.Value() == 1) {
           return {};
         }
         return fail(ErrorCode::kUnavailable, "not joined yet");
       }});
  if (!endpoint) {
    return end(endpoint.error());
  }
  if (auto written = write_ready_file(flags, incarnation, (*endpoint)->address()); !written) {
    return end(written.error());
  }
  auto worker = prepare(flags, log, metrics);
  if (!worker) {
    return end(worker.error());
  }
  Model& model = *worker->computing.model;
  const Layout& layout = model.layout();
  const ClientPlan plan = plan_client(layout.elements, worker->job.microbatches);
  metrics.memory(plan, model.memory());
  metrics.device(model.device());
  log_start(log, *worker, plan);

  auto client =
      Client::join(client_options(flags, worker->job, incarnation, build, metrics),
                   {.layout = layout,
                    .layout_hash = layout_hash(layout),
                    .data_fingerprint = worker->data->fingerprint(),
                    .numerics_fingerprint = worker->computing.numerics,
                    .tokenizer_files = named_files(worker->data->tokenizer())},
                   [&](uint64_t begin, std::span<float> values) {
                     gpt_initial_values(worker->job.model, layout, worker->job.seed, begin, values);
                   });
  if (!client) {
    log.error("cannot join", {{"error", client.error()}});
    return exit_code_of_join(client.error());
  }
  metrics.joined.Set(1);
  log.info("joined", {{"job", worker->job.uid}, {"incarnation", incarnation}});
  signals.set_client(client->get());
  TrainingLoop loop(worker->job, *worker->data, model, metrics, worker->faults);
  const TrainingEnd ended = loop.run(**client);
  metrics.joined.Set(0);
  const bool interrupted = ended.code == ExitCode::kDone && signals.interrupted();
  log.info("ended", {{"reason", ended.reason}, {"interrupted", interrupted}});
  if (ended.code == ExitCode::kDone && !interrupted) {
    signals.linger(kLastScrapeWithin);
  }
  signals.set_client(nullptr);
  worker->computing.model.reset();  // before the client's memory that it was lent
  return interrupted ? ExitCode::kInterrupted : ended.code;
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  CLI::App app("ballast-worker: computes gradients for a Ballast job");
  app.footer(
      "BALLAST_TEST_NAN_STEP=7,10-19 in the environment is for tests of faults: the gradients of\n"
      "those steps carry a NaN.");
  ballast::Flags flags;
  ballast::add_flags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ballast::usage_error(app, error);
  }
  return ballast::to_status(ballast::run(flags));
}
