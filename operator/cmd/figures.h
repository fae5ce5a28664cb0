// What a run's processes have counted, from their /metrics, in the few numbers that people ask for.
// Pure functions.
#pragma once

#include <vector>

#include "operator/scrape/exposition.h"

namespace ballast::cmd {

// Of the time of all workers together.
struct PartSeconds {
  double compute = 0;
  double push = 0;
  double wait = 0;
  double pull = 0;

  double sum() const { return compute + push + wait + pull; }
  bool operator==(const PartSeconds&) const = default;
};

struct Latency {
  double median_seconds = 0;
  double p99_seconds = 0;
};

struct Figures {
  PartSeconds parts;
  double pushed_bytes = 0;  // by all workers
  double pulled_bytes = 0;
  Latency push;
  Latency pull;
  double resident_bytes_of_servers = 0;
  double resident_bytes_of_workers = 0;
  double text_bytes = 0;  // that one of the workers tokenizes, and how much of it is done
  double tokenized_bytes = 0;
};

Figures figures_of(const std::vector<scrape::Answer>& answers);

PartSeconds operator-(const PartSeconds& a, const PartSeconds& b);

}  // namespace ballast::cmd
