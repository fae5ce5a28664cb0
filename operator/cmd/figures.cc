#include "operator/cmd/figures.h"

#include <string>

namespace ballast::cmd {
namespace {

std::vector<local::Sample> of_role(const std::vector<local::Sample>& samples,
                                   const std::string& prefix) {
  std::vector<local::Sample> out;
  for (const local::Sample& sample : samples) {
    const auto process = sample.labels.find("process");
    if (process != sample.labels.end() && process->second.starts_with(prefix))
      out.push_back(sample);
  }
  return out;
}

Latency latency_of(const std::vector<local::Sample>& samples, const std::string& name) {
  return {local::quantile_of(samples, name, 0.5), local::quantile_of(samples, name, 0.99)};
}

}  // namespace

Figures figures_of(const std::vector<local::Sample>& samples) {
  const std::vector<local::Sample> workers = of_role(samples, "worker-");
  const std::vector<local::Sample> servers = of_role(samples, "ps-");
  const auto part = [&](const char* name) {
    return local::sum_of(workers, "ballast_worker_time_seconds_total", {{"part", name}});
  };
  Figures figures;
  figures.parts = {part("compute"), part("push"), part("wait"), part("pull")};
  figures.pushed_bytes = local::sum_of(workers, "ballast_worker_pushed_bytes_total");
  figures.pulled_bytes = local::sum_of(workers, "ballast_worker_pulled_bytes_total");
  figures.push = latency_of(workers, "ballast_worker_push_seconds");
  figures.pull = latency_of(workers, "ballast_worker_pull_seconds");
  figures.resident_bytes_of_servers = local::sum_of(servers, "process_resident_memory_bytes");
  figures.resident_bytes_of_workers = local::sum_of(workers, "process_resident_memory_bytes");
  figures.text_bytes = local::sum_of(workers, "ballast_worker_text_bytes");
  figures.tokenized_bytes = local::sum_of(workers, "ballast_worker_tokenized_text_bytes");
  return figures;
}

PartSeconds operator-(const PartSeconds& a, const PartSeconds& b) {
  return {a.compute - b.compute, a.push - b.push, a.wait - b.wait, a.pull - b.pull};
}

}  // namespace ballast::cmd
