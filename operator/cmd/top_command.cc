#include "operator/cmd/top_command.h"

#include <poll.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "common/clock.h"
#include "common/exit_code.h"
#include "common/human.h"
#include "operator/cmd/job_file.h"
#include "operator/cmd/top_table.h"
#include "operator/local/find_run.h"
#include "operator/local/ready_file.h"
#include "operator/local/scraper.h"
#include "operator/scrape/parse.h"

namespace ballast::cmd {
namespace {

namespace fs = std::filesystem;

constexpr int kDeadlineMs = 500;

Result<local::FoundRun> find(const std::string& job) {
  std::error_code error;
  if (!fs::is_regular_file(job, error)) return local::find_run(job);
  const auto read = read_job_file(job, {});
  if (!read) return tl::unexpected(read.error());
  return local::find_run(read->metadata.name);
}

// The latest life of each process: "worker-3.2.json" is the second one of worker-3.
std::map<std::string, std::pair<int64_t, fs::path>> ready_files(const fs::path& folder) {
  std::map<std::string, std::pair<int64_t, fs::path>> latest;
  std::error_code error;
  for (fs::directory_iterator it(folder / "ready", error), end; !error && it != end;
       it.increment(error)) {
    const std::string stem = it->path().stem().string();
    const size_t dot = stem.rfind('.');
    int64_t instance = 0;
    if (dot == std::string::npos ||
        std::from_chars(stem.data() + dot + 1, stem.data() + stem.size(), instance).ec !=
            std::errc()) {
      continue;
    }
    auto& known = latest[stem.substr(0, dot)];
    if (instance >= known.first) known = {instance, it->path()};
  }
  return latest;
}

// What every process of the run answers now; one that does not answer is left out.
std::vector<scrape::Answer> look_at(const fs::path& folder) {
  std::vector<scrape::Answer> answers;
  for (const auto& [name, life] : ready_files(folder)) {
    const auto ready = local::read_ready_file(life.second, name);
    if (!ready) continue;
    const auto text = local::http_get(ready->metrics_address, "/metrics", kDeadlineMs);
    if (!text) continue;
    auto read = scrape::parse(*text, scrape::Format::kPrometheus);
    if (!read) continue;
    answers.push_back({name, std::make_shared<const scrape::Exposition>(std::move(*read))});
  }
  return answers;
}

std::string head_of(const local::FoundRun& run, const TopLook& look) {
  const auto& progress = run.status.progress;
  std::string text =
      fmt::format("{}: step {} of {}", run.job_name, progress.step, run.status.planned_steps);
  if (progress.step > 0) text += fmt::format(", loss {:.4f}", progress.loss);
  const double tokens = tokens_per_second(look);
  if (tokens > 0) text += fmt::format(", {} tokens/s", human_count(static_cast<uint64_t>(tokens)));
  return text + fmt::format(", term {}, plan {}\n\n", run.status.term, run.status.plan_number);
}

}  // namespace

int top_command(const TopOptions& options) {
  const SteadyClock clock;
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  TopLook look;
  int64_t looked_ms = 0;
  for (int64_t time = 1;; ++time) {
    const auto run = find(options.job);
    if (!run) {
      std::fprintf(stderr, "%s\n", run.error().message.c_str());
      return to_status(ExitCode::kUsage);
    }
    const int64_t now_ms = clock.now_ms();
    look.before = std::exchange(look.now, look_at(run->folder));
    look.seconds = static_cast<double>(now_ms - looked_ms) / 1000;
    looked_ms = now_ms;
    // Home, and whatever was there below goes.
    const std::string text = (terminal ? "\x1b[H\x1b[2J" : "") + head_of(*run, look) +
                             top_table(look) + (terminal ? "" : "\n");
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
    if (!run->running || time == options.times) return to_status(ExitCode::kDone);
    ::poll(nullptr, 0, static_cast<int>(options.every_seconds * 1000));
  }
}

}  // namespace ballast::cmd
