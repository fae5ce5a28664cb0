// ballast: the command line.
#include <cstdio>
#include <exception>

#include <CLI/CLI.hpp>

#include "common/build_info/build_info.h"
#include "common/exit_code.h"
#include "common/flags/usage_error.h"
#include "operator/cmd/checkpoints_command.h"
#include "operator/cmd/export_command.h"
#include "operator/cmd/generate_command.h"
#include "operator/cmd/report_command.h"
#include "operator/cmd/run_command.h"
#include "operator/cmd/top_command.h"
#include "operator/cmd/validate_command.h"
#include "operator/cmd/wish_command.h"

namespace ballast::cmd {
namespace {

std::string not_empty(const std::string& text) {
  return text.empty() ? std::string("must not be empty") : std::string();
}

void add_run(CLI::App& app, RunOptions& options) {
  CLI::App* run = app.add_subcommand("run", "Run a whole TrainingJob as processes of this machine");
  run->add_option("JOB", options.file, "The job's YAML file")->required();
  run->add_option("--set", options.overrides,
                  "Override a field: spec.workers.replicas=3 (may be repeated)")
      ->allow_extra_args(false);
  run->add_flag("--resume", options.resume,
                "Go on from the last whole checkpoint of this job's latest run");
  run->add_flag("--json", options.json, "Write JSON lines for machines");
  run->add_option("--network", options.network,
                  "Between the processes: unix, tcp (TLS) or tcp-trusted (plain)");
  run->add_option("--run-dir", options.run_folder,
                  "Folder for sockets, logs and state; new or empty, kept afterwards");
  run->add_flag("--keep-run-dir", options.keep_run_folder,
                "Keep the run folder after success, too");
  run->add_option("--cache-dir", options.cache_folder,
                  "Folder for token files (default: the user's cache)");
  run->add_option("--threads", options.threads, "Threads of each worker (default: CPUs / workers)")
      ->check(CLI::Range(0, 1024));
  run->add_option("--programs", options.programs,
                  "Folder of ballast-ps and ballast-worker (default: beside this one)");
  run->add_option("--metrics-listen", options.metrics_listen,
                  "HOST:PORT of the run's own metrics (0: any port; default: none)");
  run->add_option("--sample-tokens", options.sample_tokens,
                  "Length of the sample at the end; 0: none")
      ->check(CLI::Range(0, 100'000));
  run->add_option("--prompt", options.prompt, "What the sample continues")->check(not_empty);
}

void add_validate(CLI::App& app, ValidateOptions& options) {
  CLI::App* validate = app.add_subcommand("validate", "Tell every problem of job files");
  validate->add_option("JOB", options.files, "The jobs' YAML files")->required();
  validate
      ->add_option("--set", options.overrides,
                   "Override a field: spec.workers.replicas=3 (may be repeated)")
      ->allow_extra_args(false);
}

void add_checkpoints(CLI::App& app, CheckpointsOptions& options) {
  CLI::App* checkpoints =
      app.add_subcommand("checkpoints", "List checkpoints and compare every checksum");
  checkpoints->add_option("FOLDER", options.folder, "Of one run, or of the runs of a job")
      ->required();
  checkpoints->add_flag("--json", options.json, "Write JSON lines for machines");
}

void add_generate(CLI::App& app, GenerateCommandOptions& options) {
  CLI::App* generate = app.add_subcommand("generate", "Write text with a trained model");
  generate
      ->add_option("CHECKPOINT", options.checkpoint,
                   "A checkpoint's folder, or the folder of a job's checkpoints (the newest one)")
      ->required();
  generate->add_option("--prompt", options.prompt, "What the text begins with")->check(not_empty);
  generate->add_option("--tokens", options.tokens, "How many follow the prompt")
      ->check(CLI::Range(0, 1'000'000));
  generate->add_option("--temperature", options.temperature,
                       "0: always the likeliest token; 1: as often as the model expects it");
  generate->add_option("--top-k", options.top_k, "Only among the K likeliest tokens; 0: all")
      ->check(CLI::Range(0, 1 << 24));
  generate->add_option("--top-p", options.top_p,
                       "Only among the likeliest tokens that have this share; 1: all");
  generate->add_option("--seed", options.seed, "Another seed, another text");
  generate->add_flag("--no-cache", options.no_cache,
                     "Keep no keys and values: the same text, slower");
  generate->add_option("--threads", options.threads, "Threads (default: CPUs)")
      ->check(CLI::Range(0, 1024));
}

void add_export(CLI::App& app, ExportCommandOptions& options) {
  CLI::App* command =
      app.add_subcommand("export", "Write a trained model for Hugging Face's transformers");
  command
      ->add_option("CHECKPOINT", options.checkpoint,
                   "A checkpoint's folder, or the folder of a job's checkpoints (the newest one)")
      ->required();
  command->add_option("DIR", options.directory, "New or empty folder")->required();
}

struct WishOptions {
  ScaleOptions scale;
  SuspendOptions suspend;
  SuspendOptions resume{.job = "", .suspend = false};
  StatusOptions status;
};

void add_wishes(CLI::App& app, WishOptions& options) {
  const char* job = "The job's name or file, or the folder of its run";
  CLI::App* scale = app.add_subcommand("scale", "Change the number of workers or servers of a run");
  scale->add_option("JOB", options.scale.job, job)->required();
  scale->add_option("--workers", options.scale.workers, "Workers from the next step on");
  scale->add_option("--servers", options.scale.servers, "Servers; segments move meanwhile");
  CLI::App* suspend =
      app.add_subcommand("suspend", "Write a checkpoint of a run and end its processes");
  suspend->add_option("JOB", options.suspend.job, job)->required();
  CLI::App* resume = app.add_subcommand("resume", "Let a suspended run go on");
  resume->add_option("JOB", options.resume.job, job)->required();
  CLI::App* status =
      app.add_subcommand("status", "Tell how a run stands, or a TrainingJob of a cluster");
  status->add_option("JOB", options.status.job, job)->required();
  status->add_flag("--json", options.status.json, "The whole status as JSON");
  const auto place = [&options]() -> ClusterPlace& {
    if (!options.status.cluster) options.status.cluster.emplace();
    return *options.status.cluster;
  };
  status->add_option_function<std::string>(
      "-n,--namespace", [place](const std::string& name) { place().name_space = name; },
      "Ask the cluster for the job of this namespace");
  status->add_option_function<std::string>(
      "--kubeconfig", [place](const std::string& path) { place().kubeconfig = path; },
      "Ask the cluster of this file (default: $KUBECONFIG, ~/.kube/config)");
}

void add_top(CLI::App& app, TopOptions& options) {
  CLI::App* top = app.add_subcommand("top", "Show a run live: what each of its processes does");
  top->add_option("JOB", options.job, "The job's name or file, or the folder of its run")
      ->required();
  top->add_option("--every", options.every_seconds, "Seconds between two looks")
      ->check(CLI::Range(1, 3600));
  top->add_option("--times", options.times, "So many looks; 0: until the run ends")
      ->check(CLI::Range(0, 1'000'000));
}

void add_report(CLI::App& app, ReportOptions& options) {
  CLI::App* report = app.add_subcommand("report", "Write one HTML page about a run");
  report
      ->add_option("RUN", options.run,
                   "The job's name or file, the folder of its run or of its checkpoints")
      ->required()
      ->check(not_empty);
  report->add_option("--output", options.output, "The page (default: NAME-report.html here)")
      ->check(not_empty);
}

int main_of(int argc, char** argv) {
  CLI::App app("Ballast trains language models with a parameter server.");
  app.require_subcommand(0, 1);  // so that a word that is none of them is named
  const BuildInfo build = build_info();
  app.set_version_flag("--version", build.version + " " + build.revision);
  RunOptions run;
  run.build = build;
  ValidateOptions validate;
  GenerateCommandOptions generate;
  ExportCommandOptions exported;
  add_run(app, run);
  add_validate(app, validate);
  add_generate(app, generate);
  add_export(app, exported);
  CheckpointsOptions checkpoints;
  add_checkpoints(app, checkpoints);
  WishOptions wishes;
  add_wishes(app, wishes);
  TopOptions top;
  add_top(app, top);
  ReportOptions report{.run = "", .output = "", .build = build.version + " " + build.revision};
  add_report(app, report);
  try {
    app.parse(argc, argv);
    if (app.get_subcommands().empty()) throw CLI::RequiredError::Subcommand(1);
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error);
  }
  if (app.got_subcommand("checkpoints")) return checkpoints_command(checkpoints);
  if (app.got_subcommand("run")) return run_command(run);
  if (app.got_subcommand("scale")) return scale_command(wishes.scale);
  if (app.got_subcommand("suspend")) return suspend_command(wishes.suspend);
  if (app.got_subcommand("resume")) return suspend_command(wishes.resume);
  if (app.got_subcommand("status")) return status_command(wishes.status);
  if (app.got_subcommand("top")) return top_command(top);
  if (app.got_subcommand("report")) return report_command(report);
  if (app.got_subcommand("generate")) return generate_command(generate);
  if (app.got_subcommand("export")) return export_command(exported);
  return validate_command(validate);
}

}  // namespace
}  // namespace ballast::cmd

int main(int argc, char** argv) {
  try {
    return ballast::cmd::main_of(argc, argv);
  } catch (const std::exception& error) {  // no memory, above all
    std::fprintf(stderr, "ballast: %s\n", error.what());
    return ballast::to_status(ballast::ExitCode::kFailed);
  }
}
