// What it costs the operator to scrape: its scraper asks many simulated targets for a while.
//
//   scrape_many TARGETS EVERY_SECONDS SECONDS FILE...      FILE: what a target answers, by turns
//
// Prints one JSON object: processor time of this process as a share of one core, its memory before
// and at most, answers that arrived in time and how many were due. The targets are another process.
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/clock.h"
#include "common/file.h"
#include "operator/cluster/pod_scraper.h"
#include "operator/scrape/parse.h"
#include "tests/bench_scrape/simulated_targets.h"

namespace ballast {
namespace {

double processor_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Of /proc/self/status: "VmRSS:", "VmHWM:".
double mebibytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key)) return std::strtod(line.c_str() + key.size(), nullptr) / 1024;
  }
  return 0;
}

// The name that the text says of itself; the scraper takes no answer of another.
std::string process_of(const std::string& text) {
  const size_t info = text.find("ballast_process_info{");
  const size_t at = info == std::string::npos ? info : text.find("process=\"", info);
  if (at == std::string::npos) return "";
  const size_t first = at + std::string("process=\"").size();
  return text.substr(first, text.find('"', first) - first);
}

class Answers {
 public:
  Answers(const cluster::PodScraper& scraper, size_t targets)
      : scraper_(scraper), last_ms_(targets) {}

  // Those that came since the look before.
  size_t look() {
    size_t fresh = 0;
    for (size_t target = 0; target < last_ms_.size(); ++target) {
      const auto answer = scraper_.latest(std::to_string(target));
      if (!answer || answer->answered_ms == last_ms_[target]) continue;
      last_ms_[target] = answer->answered_ms;
      ++fresh;
    }
    return fresh;
  }

 private:
  const cluster::PodScraper& scraper_;
  std::vector<int64_t> last_ms_;
};

void pause_ms(int64_t ms) {
  const timespec time{ms / 1000, (ms % 1000) * 1'000'000};
  ::nanosleep(&time, nullptr);  // sleeps: this is a measurement of the time that passes
}

int measure(size_t targets, int64_t every_s, int64_t seconds,
            const std::vector<std::string>& texts) {
  const SimulatedTargets simulated(targets, texts);
  const double before_mib = mebibytes("VmRSS:");
  cluster::PodScraperOptions options;
  options.every_ms = every_s * 1000;
  cluster::PodScraper scraper(options);
  for (size_t target = 0; target < targets; ++target) {
    scraper.follow(std::to_string(target),
                   {"127.0.0.1:" + std::to_string(simulated.ports()[target]),
                    process_of(texts[target % texts.size()]), nullptr});
  }
  Answers answers(scraper, targets);
  size_t known = 0;
  for (int look = 0; known < targets && look < 300; ++look) {
    pause_ms(100);
    known += answers.look();
  }
  if (known < targets) {
    std::fprintf(stderr, "only %zu of %zu targets have answered within 30 s\n", known, targets);
    return 1;
  }
  const SteadyClock clock;
  const double used = processor_seconds();
  const int64_t began_ms = clock.now_ms();
  size_t arrived = 0;
  for (int64_t round = 0; round < seconds / every_s; ++round) {
    pause_ms(every_s * 1000);
    arrived += answers.look();
  }
  const double passed = static_cast<double>(clock.now_ms() - began_ms) / 1000;
  const nlohmann::json out = {{"targets", targets},
                              {"answerBytes", texts.front().size()},
                              {"seconds", passed},
                              {"due", targets * static_cast<size_t>(seconds / every_s)},
                              {"arrived", arrived},
                              {"shareOfACore", (processor_seconds() - used) / passed},
                              {"mebibytesBefore", before_mib},
                              {"mebibytesAtMost", mebibytes("VmHWM:")}};
  std::printf("%s\n", out.dump().c_str());
  return 0;
}

int main_of(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "scrape_many TARGETS EVERY_SECONDS SECONDS FILE...\n");
    return 2;
  }
  std::vector<std::string> texts;
  for (int file = 4; file < argc; ++file) {
    auto text = read_file(argv[file], 4u << 20);
    if (!text || process_of(*text).empty()) {
      std::fprintf(stderr, "%s: %s\n", argv[file],
                   text ? "expected metrics of a server or worker" : text.error().message.c_str());
      return 2;
    }
    texts.push_back(std::move(*text));
  }
  const int64_t every = std::atoll(argv[2]);
  if (std::atoll(argv[1]) < 1 || every < 1) return 2;
  return measure(static_cast<size_t>(std::atoll(argv[1])), every, std::atoll(argv[3]), texts);
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) { return ballast::main_of(argc, argv); }
