#include "operator/cmd/run_command.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "common/cgroup.h"
#include "common/clock.h"
#include "common/exit_code.h"
#include "common/file.h"
#include "common/metrics/metrics_endpoint.h"
#include "common/metrics/process_metrics.h"
#include "common/random_id.h"
#include "common/unix_time.h"
#include "operator/cmd/find_record.h"
#include "operator/cmd/job_file.h"
#include "operator/cmd/record_writer.h"
#include "operator/cmd/resume.h"
#include "operator/cmd/run_view.h"
#include "operator/cmd/sample_text.h"
#include "operator/core/observed.h"
#include "operator/local/decision_counters.h"
#include "operator/local/local_job.h"
#include "operator/local/process_log.h"
#include "services/checkpoint/history.h"

namespace ballast::cmd {
namespace {

namespace fs = std::filesystem;

constexpr size_t kTailLines = 10;

fs::path absolute(const std::string& path) { return fs::absolute(path).lexically_normal(); }

// Where the programs of this build lie: beside the one that runs.
fs::path own_folder() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::path(".") : self.parent_path();
}

fs::path default_cache() {
  for (const auto& [variable, below] :
       {std::pair{"XDG_CACHE_HOME", "ballast/tokens"}, {"HOME", ".cache/ballast/tokens"}}) {
    const char* value = std::getenv(variable);
    if (value != nullptr && value[0] == '/') return fs::path(value) / below;
  }
  return {};
}

Result<local::Network> parse_network(const std::string& name) {
  if (name == "unix") return local::Network::kUnix;
  if (name == "tcp") return local::Network::kTcp;
  if (name == "tcp-trusted") return local::Network::kTcpTrusted;
  return fail(ErrorCode::kInvalid,
              "--network: found \"" + name + "\"; expected unix, tcp or tcp-trusted");
}

// What the file leaves to this machine: identity, absolute paths, a folder for the checkpoints of
// this job's runs.
void make_local(api::TrainingJob& job) {
  job.metadata.uid = random_uuid();
  for (std::string& path : job.spec.data.train) path = absolute(path).string();
  std::string& vocabulary = job.spec.data.vocabulary;
  if (!vocabulary.empty()) vocabulary = absolute(vocabulary).string();
  const std::string base = job.spec.checkpoint.path.empty()
                               ? "ballast-checkpoints/" + job.metadata.name
                               : job.spec.checkpoint.path;
  job.spec.checkpoint.path = absolute(base).string();
}

// Checkpoints of a run lie in a folder of its own.
std::string run_name(const std::string& uid) { return "run-" + uid.substr(0, 8); }

Result<api::TrainingJob> read_runnable_job(const RunOptions& options) {
  auto job = read_job_file(options.file, options.overrides);
  if (!job) return job;
  if (job->spec.suspend) {
    return fail(ErrorCode::kInvalid,
                options.file + ": spec.suspend is true: there is nothing to run");
  }
  return job;
}

class RunCommand {
 public:
  explicit RunCommand(const RunOptions& options)
      : options_(options), console_(stdout, options.json) {}

  int run() {
    auto network = parse_network(options_.network);
    if (!network) return refuse(network.error());
    auto job = read_runnable_job(options_);
    if (!job) return refuse(job.error());
    as_read_ = *job;
    job_ = std::move(*job);
    make_local(job_);
    auto lock = take_checkpoint_folder();
    if (!lock) return refuse(lock.error());

    auto guard = local::OrphanGuard::start();
    if (!guard) return failed(guard.error());
    auto signals = local::Signals::open();
    if (!signals) return failed(signals.error());
    // More may be wished for while it runs.
    const size_t longest =
        decide::process_name(decide::Role::kServer, api::kMostServers - 1).size();
    auto folder = local::RunFolder::create(options_.run_folder, longest);
    if (!folder) return refuse(folder.error());
    keep_record(*folder);
    announce(*folder);
    const int status = run_in(*folder, *guard, *signals, *network);
    close_record();
    return status;
  }

 private:
  // A run has a folder of its own, since another run of the job has the same step numbers; one that
  // goes on has that of the run before. --resume wants one to go on from, spec.checkpoint.resume
  // takes one where there is one.
  Result<CheckpointLock> take_checkpoint_folder() {
    std::string& path = job_.spec.checkpoint.path;
    Result<Resume> resume = fail(ErrorCode::kNotFound, "it is not wished");
    if (options_.resume || job_.spec.checkpoint.resume) resume = find_resume(path, job_);
    const bool none_is_whole = !resume && resume.error().code == ErrorCode::kCorrupt;
    const bool none = none_is_whole || (!resume && resume.error().code == ErrorCode::kNotFound);
    if (none && !options_.resume) {
      if (none_is_whole) console_.line(resume.error().message + "\ntraining begins at step 0");
      path = (fs::path(path) / run_name(job_.metadata.uid)).string();
      return CheckpointLock::take(path);
    }
    if (!resume) return tl::unexpected(resume.error());
    auto lock = CheckpointLock::take(resume->folder);
    if (!lock) return lock;
    path = resume->folder.string();
    job_.metadata.uid = resume->job_uid;
    for (const std::string& damaged : resume->passed_over) {
      console_.line("passed over a damaged checkpoint: " + damaged);
      console_.event({{"event", "passedOver"}, {"reason", damaged}});
    }
    console_.line("goes on from " + resume->point.checkpoint);
    console_.event({{"event", "resume"}, {"checkpoint", resume->point.checkpoint}});
    resume_ = std::move(resume->point);
    return lock;
  }

  // For `ballast report`; a run without it is as good a run.
  void keep_record(const local::RunFolder& folder) {
    const fs::path path = fs::path(job_.spec.checkpoint.path) / kRecordFolder;
    auto record = RecordWriter::open(path);
    if (!record) return warn("the run keeps no record: " + record.error().message);
    record_ = std::move(*record);
    console_.also_to([this](const nlohmann::json& event) { record_->add(event, unix_now_ms()); });
    std::error_code error;  // then it is found by the job's name all the same
    fs::create_directory_symlink(path, folder.path() / kRecordFolder, error);
  }

  void close_record() {
    if (record_ == nullptr) return;
    console_.also_to({});
    record_->close();
    if (record_->lost() > 0)
      warn(fmt::format("{} lines of the run's record could not be written", record_->lost()));
  }

  void warn(const std::string& message) {
    console_.line("warning: " + message);
    console_.event({{"event", "warning"}, {"message", message}});
  }

  int refuse(const Error& error) { return tell(error, to_status(ExitCode::kUsage)); }
  int failed(const Error& error) { return tell(error, to_status(ExitCode::kFailed)); }

  int tell(const Error& error, int status) {
    console_.clear_live();
    std::fprintf(stderr, "%s\n", error.message.c_str());
    console_.event({{"event", "failed"}, {"message", error.message}, {"exitCode", status}});
    return status;
  }

  void announce(const local::RunFolder& folder) {
    const auto& spec = job_.spec;
    console_.line(fmt::format("{}: {} servers, {} workers; logs in {}", job_.metadata.name,
                              spec.servers.replicas, spec.workers.replicas,
                              folder.logs().string()));
    console_.event(
        {{"event", "start"}, {"job", api::to_json(job_)}, {"runFolder", folder.path().string()}});
  }

  int run_in(local::RunFolder& folder, local::OrphanGuard& guard, local::Signals& signals,
             local::Network network) {
    local::LocalJobOptions local_options;
    local_options.job = job_;
    local_options.network = network;
    local_options.programs = options_.programs.empty() ? own_folder() : absolute(options_.programs);
    local_options.cache = cache_folder(folder);
    const int cpus = usable_threads();
    worker_threads_ = options_.threads > 0
                          ? options_.threads
                          : std::max(1, cpus / static_cast<int>(job_.spec.workers.replicas));
    local_options.worker_threads = worker_threads_;
    local_options.server_threads = std::max(1, cpus / static_cast<int>(job_.spec.servers.replicas));

    local_options.resume = resume_;
    local_options.file = local::JobFile{absolute(options_.file), options_.overrides, as_read_};
    local_options.verify_checkpoint = [](const fs::path& directory, const std::stop_token& stop) {
      return verify_patiently(directory, half_a_minute(stop), stop);
    };
    local_options.abandoned_before = abandoned_before;
    local_options.remove_checkpoint = remove_if_there;

    RunView view(job_, console_, clock_);
    if (auto served = serve_metrics(view); !served) {
      folder.remove();
      return refuse(served.error());
    }
    auto job = local::LocalJob::create(std::move(local_options), folder, guard, signals, view);
    if (!job) {
      folder.remove();
      return failed(job.error());
    }
    view.watch([&] { return (*job)->scraper().answers(); });
    auto outcome = (*job)->run();
    console_.clear_live();
    if (!outcome) return failed(outcome.error());
    const int status = outcome->exit_code == 0 ? finish(view) : explain(*outcome, view, folder);
    if (status == 0 && options_.run_folder.empty() && !options_.keep_run_folder) {
      folder.remove();
    } else {
      console_.line("run folder: " + folder.path().string());
    }
    return status;
  }

  // What the run itself counts; its processes have pages of their own.
  Result<void> serve_metrics(RunView& view) {
    if (options_.metrics_listen.empty()) return {};
    const auto registry = std::make_shared<prometheus::Registry>();
    const auto decisions = std::make_shared<local::DecisionCounters>(registry);
    auto endpoint =
        MetricsEndpoint::start({.listen = options_.metrics_listen,
                                .collectables = {registry, process_metrics(options_.build)},
                                .healthy = nullptr,
                                .ready = nullptr});
    if (!endpoint) return tl::unexpected(endpoint.error());
    metrics_ = std::move(*endpoint);
    view.count_decisions([decisions](const auto& said) { decisions->count(said); });
    console_.line("metrics of the run at http://" + metrics_->address() + "/metrics");
    console_.event({{"event", "metrics"}, {"address", metrics_->address()}});
    return {};
  }

  fs::path cache_folder(const local::RunFolder& folder) const {
    if (!options_.cache_folder.empty()) return absolute(options_.cache_folder);
    const fs::path cache = default_cache();
    return cache.empty() ? folder.path() / "cache" : cache;
  }

  int finish(const RunView& view) {
    Summary summary = view.summary();
    if (!summary.checkpoint.empty()) {
      auto sha256 = parameters_sha256(summary.checkpoint);
      if (!sha256) return failed(sha256.error());
      summary.parameters_sha256 = *sha256;
    }
    console_.line(summary_text(summary));
    nlohmann::json event = summary_json(summary);
    if (!summary.checkpoint.empty() && options_.sample_tokens > 0) {
      auto sample =
          sample_text(summary.checkpoint, {.prompt = options_.prompt,
                                           .tokens = options_.sample_tokens,
                                           .seed = static_cast<uint64_t>(job_.spec.training.seed),
                                           .threads = usable_threads()});
      if (!sample) return failed(sample.error());
      console_.line("sample:\n" + printable(*sample));
      event["sample"] = *sample;
    }
    console_.event(event);
    return 0;
  }

  int explain(const local::RunOutcome& outcome, const RunView& view,
              const local::RunFolder& folder) {
    const bool interrupted = outcome.exit_code == to_status(ExitCode::kInterrupted);
    std::string message = interrupted ? "interrupted" : "failed: " + outcome.message;
    if (!interrupted && !view.last_loss().empty()) message += "\n  " + view.last_loss();
    const Summary summary = view.summary();
    const int64_t step = summary.steps;
    if (step > 0) message += fmt::format("\n  {} steps were committed", step);
    message += outcome.checkpoint.empty()
                   ? "\n  no checkpoint was written"
                   : "\n  `ballast run --resume` goes on from " + outcome.checkpoint;
    console_.line("");
    std::fprintf(stderr, "%s\n", message.c_str());
    if (!interrupted && !console_.json()) {
      for (const auto& [name, log] : view.lost_logs()) {
        std::fprintf(stderr, "--- the end of %s\n", log.c_str());
        for (const std::string& line : local::last_lines(log, kTailLines))
          std::fprintf(stderr, "%s\n", line.c_str());
      }
    }
    console_.event({{"event", interrupted ? "interrupted" : "failed"},
                    {"reason", outcome.reason},
                    {"message", message},
                    {"step", step},
                    {"checkpoint", outcome.checkpoint},
                    {"losses", summary.losses},
                    {"longestStallMs", summary.longest_stall_ms},
                    {"logs", folder.logs().string()},
                    {"exitCode", outcome.exit_code}});
    return outcome.exit_code;
  }

  const RunOptions& options_;
  SteadyClock clock_;
  std::unique_ptr<RecordWriter> record_;
  Console console_;
  api::TrainingJob job_;
  api::TrainingJob as_read_;  // paths and all as in the file
  std::optional<local::ResumePoint> resume_;
  int worker_threads_ = 1;
  std::unique_ptr<MetricsEndpoint> metrics_;
};

}  // namespace

int run_command(const RunOptions& options) { return RunCommand(options).run(); }

}  // namespace ballast::cmd
