#include "operator/cmd/figures.h"

#include <string_view>

namespace ballast::cmd {
namespace {

std::vector<scrape::Answer> of_role(const std::vector<scrape::Answer>& answers,
                                    std::string_view prefix) {
  std::vector<scrape::Answer> out;
  for (const scrape::Answer& answer : answers) {
    if (answer.target.starts_with(prefix)) out.push_back(answer);
  }
  return out;
}

Latency latency_of(const std::vector<scrape::Answer>& answers, std::string_view name) {
  return {scrape::quantile_of(answers, name, 0.5), scrape::quantile_of(answers, name, 0.99)};
}

}  // namespace

Figures figures_of(const std::vector<scrape::Answer>& answers) {
  const std::vector<scrape::Answer> workers = of_role(answers, "worker-");
  const std::vector<scrape::Answer> servers = of_role(answers, "ps-");
  const auto part = [&](const char* name) {
    return scrape::sum_of(workers, "ballast_worker_time_seconds_total", {{"part", name}});
  };
  Figures figures;
  figures.parts = {part("compute"), part("push"), part("wait"), part("pull")};
  figures.pushed_bytes = scrape::sum_of(workers, "ballast_worker_pushed_bytes_total");
  figures.pulled_bytes = scrape::sum_of(workers, "ballast_worker_pulled_bytes_total");
  figures.push = latency_of(workers, "ballast_worker_push_seconds");
  figures.pull = latency_of(workers, "ballast_worker_pull_seconds");
  figures.resident_bytes_of_servers = scrape::sum_of(servers, "process_resident_memory_bytes");
  figures.resident_bytes_of_workers = scrape::sum_of(workers, "process_resident_memory_bytes");
  figures.text_bytes = scrape::sum_of(workers, "ballast_worker_text_bytes");
  figures.tokenized_bytes = scrape::sum_of(workers, "ballast_worker_tokenized_text_bytes");
  return figures;
}

PartSeconds operator-(const PartSeconds& a, const PartSeconds& b) {
  return {a.compute - b.compute, a.push - b.push, a.wait - b.wait, a.pull - b.pull};
}

}  // namespace ballast::cmd
