// test_sim: runs simulated jobs, one a seed, and holds each against the reference. A failing seed
// is run again with a trace, of which the end is printed together with the command that replays it.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <iostream>
#include <map>
#include <new>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "tests/sim/world.h"

namespace ballast::sim {
namespace {

struct Options {
  uint64_t seeds = 1000;
  uint64_t first_seed = 1;
  std::optional<uint64_t> seed;
  bool fresh = false;
  bool trace = false;
  bool large = false;
  uint32_t trace_lines = 60;
  uint32_t jobs = 1;
  uint32_t seconds = 0;
  uint32_t failures = 5;
  Weather weather = Weather::kAll;
  bool decides = false;
  std::string program;
};

// Shared by the jobs' processes: a crash in one does not hide its seed.
struct Shared {
  std::atomic<uint64_t> next{0};
  std::atomic<uint64_t> runs{0};
  std::atomic<uint64_t> events{0};
  std::atomic<uint64_t> virtual_ms{0};
  std::atomic<uint64_t> terms{0};
  std::atomic<uint64_t> server_losses{0};
  std::atomic<uint64_t> worker_losses{0};
  std::atomic<uint64_t> returns{0};
  std::atomic<uint64_t> left{0};
  std::atomic<uint64_t> rests{0};
  std::atomic<uint64_t> failures{0};
  std::atomic<uint64_t> seed_of[64] = {};
};

const std::map<std::string, Weather> kWeathers = {{"calm", Weather::kCalm},
                                                  {"network", Weather::kNetwork},
                                                  {"workers", Weather::kWorkers},
                                                  {"all", Weather::kAll},
                                                  {"moves", Weather::kMoves}};

template <typename T>
std::string name_of(const std::map<std::string, T>& names, T value) {
  for (const auto& [name, candidate] : names) {
    if (candidate == value) {
      return name;
    }
  }
  return "?";
}

std::string replay_command(const Options& options, uint64_t seed) {
  std::string command = fmt::format("{} --seed={} --trace", options.program, seed);
  if (options.weather != Weather::kAll) {
    command += " --weather=" + name_of(kWeathers, options.weather);
  }
  if (options.decides) {
    command += " --decide";
  }
  return command;
}

std::string describe_scenario(const Scenario& scenario) {
  return fmt::format(
      "{} servers, {} workers, replication {}, {} segments, {} microbatches, {} steps, faults "
      "until {} ms{}",
      scenario.servers, scenario.workers, scenario.training.replication, scenario.segments.count(),
      scenario.training.microbatches, scenario.training.steps, scenario.heal_at_ms,
      scenario.fails ? ", fails by skipped steps" : "");
}

Outcome run_seed(const Options& options, uint64_t seed, const TraceSink& trace) {
  const Scenario scenario = make_scenario(seed, options.weather, options.decides);
  World world(scenario, trace);
  return world.run();
}

void report_failure(const Options& options, uint64_t seed, const std::string& failure) {
  std::deque<std::string> lines;
  run_seed(options, seed, [&](TimeMs now, const std::string& line) {
    lines.push_back(fmt::format("{:>8} {}", now, line));
    if (lines.size() > options.trace_lines) {
      lines.pop_front();
    }
  });
  std::string text =
      fmt::format("seed {} fails: {}\n  {}\n", seed, failure,
                  describe_scenario(make_scenario(seed, options.weather, options.decides)));
  for (const std::string& line : lines) {
    text += "  " + line + "\n";
  }
  text += fmt::format("  replay: {}\n", replay_command(options, seed));
  std::cout << text << std::flush;
}

bool expired(const Options& options, std::chrono::steady_clock::time_point start) {
  return options.seconds > 0 &&
         std::chrono::steady_clock::now() - start >= std::chrono::seconds(options.seconds);
}

// Worlds in which most of what a job does happens; the speed of the simulator is told for them.
bool is_large(const Scenario& scenario) {
  return scenario.servers >= 3 && scenario.workers >= 3 && scenario.training.microbatches >= 8 &&
         scenario.segments.count() >= 4 && scenario.training.steps >= 30;
}

void run_job(const Options& options, Shared& shared, uint32_t job) {
  const auto start = std::chrono::steady_clock::now();
  while (!expired(options, start) && shared.failures < options.failures) {
    const uint64_t number = shared.next++;
    if (number >= options.seeds) {
      return;
    }
    const uint64_t seed = options.first_seed + number;
    if (options.large && !is_large(make_scenario(seed, options.weather, options.decides))) {
      continue;
    }
    shared.seed_of[job] = seed;
    const Outcome outcome = run_seed(options, seed, {});
    ++shared.runs;
    shared.events += outcome.events;
    shared.virtual_ms += static_cast<uint64_t>(outcome.virtual_ms);
    shared.terms += outcome.terms;
    shared.server_losses += outcome.server_losses;
    shared.worker_losses += outcome.worker_losses;
    shared.returns += outcome.returns;
    shared.left += outcome.left;
    shared.rests += outcome.rests;
    if (!outcome.failure.empty() && shared.failures++ < options.failures) {
      report_failure(options, seed, outcome.failure);
    }
  }
}

// Of all children that have ended: what else the machine does changes it little.
double processor_seconds() {
  rusage used{};
  getrusage(RUSAGE_CHILDREN, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

int run_many(const Options& options) {
  void* memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    std::cerr << "no shared memory\n";
    return 1;
  }
  auto& shared = *new (memory) Shared;
  std::cout << fmt::format("seeds {} to {}\n", options.first_seed,
                           options.first_seed + options.seeds - 1)
            << std::flush;
  const auto start = std::chrono::steady_clock::now();
  std::vector<pid_t> children;
  for (uint32_t job = 0; job < options.jobs; ++job) {
    const pid_t child = fork();
    if (child == 0) {
      run_job(options, shared, job);
      std::cout << std::flush;
      _exit(0);
    }
    children.push_back(child);
  }
  for (uint32_t job = 0; job < options.jobs; ++job) {
    int status = 0;
    waitpid(children[job], &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      ++shared.failures;
      std::cout << fmt::format("seed {} crashed\n  replay: {}\n", shared.seed_of[job].load(),
                               replay_command(options, shared.seed_of[job]));
    }
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const auto runs = static_cast<double>(shared.runs);
  const auto events = static_cast<double>(shared.events);
  std::cout << fmt::format(
      "{} seeds, {} failed, {:.1f} s: {:.0f} seeds/s, {:.0f} events a second of processor time; "
      "{:.1f} s of virtual time, {} appointments, {} servers and {} workers lost, {} servers left, "
      "{} rests, {} times back to a checkpoint\n",
      shared.runs.load(), shared.failures.load(), seconds, runs / seconds,
      events / processor_seconds(), static_cast<double>(shared.virtual_ms) / 1000,
      shared.terms.load(), shared.server_losses.load(), shared.worker_losses.load(),
      shared.left.load(), shared.rests.load(), shared.returns.load());
  return shared.failures == 0 && shared.runs > 0 ? 0 : 1;
}

int run_one(const Options& options) {
  const uint64_t seed = *options.seed;
  std::cout << fmt::format(
      "seed {}: {}\n", seed,
      describe_scenario(make_scenario(seed, options.weather, options.decides)));
  const Outcome outcome = run_seed(
      options, seed,
      options.trace
          ? [](TimeMs now,
               const std::string& line) { std::cout << fmt::format("{:>8} {}\n", now, line); }
          : TraceSink());
  std::cout << fmt::format(
      "seed {}: {} after {} events, {} ms, {} terms, {} servers and {} workers lost\n", seed,
      outcome.failure.empty() ? "passes" : "fails: " + outcome.failure, outcome.events,
      outcome.virtual_ms, outcome.terms, outcome.server_losses, outcome.worker_losses);
  return outcome.failure.empty() ? 0 : 1;
}

}  // namespace
}  // namespace ballast::sim

int main(int argc, char** argv) {
  using namespace ballast::sim;
  Options options;
  options.program = argv[0];
  CLI::App app("Simulated jobs with faults, held bit for bit against a single loop.");
  app.add_option("--seeds", options.seeds, "how many")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40));
  app.add_option("--first-seed", options.first_seed, "the first of them");
  app.add_flag("--large", options.large,
               "of these seeds only worlds of at least 3 servers, 3 workers, 8 microbatches, 4 "
               "segments, 30 steps");
  app.add_flag("--decide", options.decides, "the operator asks the decide() of production");
  app.add_flag("--fresh", options.fresh, "begin at a seed taken from the clock");
  app.add_option("--seed", options.seed, "only this one");
  app.add_flag("--trace", options.trace, "with --seed: print everything that happens");
  app.add_option("--trace-lines", options.trace_lines, "of a failing seed");
  app.add_option("--jobs", options.jobs, "processes")->check(CLI::Range(1, 64));
  app.add_option("--seconds", options.seconds, "begin no seed after so long; 0: no limit");
  app.add_option("--failures", options.failures, "stop after so many failing seeds");
  app.add_option("--weather", options.weather)->transform(CLI::CheckedTransformer(kWeathers));
  CLI11_PARSE(app, argc, argv);
  if (options.fresh) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    options.first_seed =
        static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  }
  return options.seed ? run_one(options) : run_many(options);
}
