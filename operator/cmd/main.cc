// ballast: the command line.
#include <cstdio>
#include <exception>

#include <CLI/CLI.hpp>

#include "common/build_info/build_info.h"
#include "common/exit_code.h"
#include "operator/cmd/run_command.h"
#include "operator/cmd/validate_command.h"

namespace ballast::cmd {
namespace {

void add_run(CLI::App& app, RunOptions& options) {
  CLI::App* run = app.add_subcommand("run", "Run a whole TrainingJob as processes of this machine");
  run->add_option("JOB", options.file, "The job's YAML file")->required();
  run->add_option("--set", options.overrides,
                  "Override a field: spec.workers.replicas=3 (may be repeated)")
      ->allow_extra_args(false);
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
  run->add_option("--sample-tokens", options.sample_tokens,
                  "Length of the sample at the end; 0: none")
      ->check(CLI::Range(0, 100'000));
  run->add_option("--prompt", options.prompt, "What the sample continues")
      ->check([](const std::string& text) {
        return text.empty() ? std::string("must not be empty") : std::string();
      });
}

void add_validate(CLI::App& app, ValidateOptions& options) {
  CLI::App* validate = app.add_subcommand("validate", "Tell every problem of job files");
  validate->add_option("JOB", options.files, "The jobs' YAML files")->required();
  validate
      ->add_option("--set", options.overrides,
                   "Override a field: spec.workers.replicas=3 (may be repeated)")
      ->allow_extra_args(false);
}

int main_of(int argc, char** argv) {
  CLI::App app("Ballast trains language models with a parameter server.");
  app.require_subcommand(1);
  const BuildInfo build = build_info();
  app.set_version_flag("--version", build.version + " " + build.revision);
  RunOptions run;
  ValidateOptions validate;
  add_run(app, run);
  add_validate(app, validate);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? to_status(ExitCode::kDone) : to_status(ExitCode::kUsage);
  }
  return app.got_subcommand("run") ? run_command(run) : validate_command(validate);
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
