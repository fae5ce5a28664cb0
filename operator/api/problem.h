// What is wrong with a TrainingJob, in words for the person who wrote it. Plain values.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ballast::api {

struct Problem {
  std::string path;     // "spec.training.microbatches"; empty: the document itself
  int line = 0;         // from 1; 0: not from a file
  std::string message;  // what was found, what is expected

  bool operator==(const Problem&) const = default;
};

// "job.yaml:12: spec.training.batch: found 10; expected ..."
std::string format(const Problem& problem, std::string_view file = {});

// The candidate that the word most likely was meant to be; empty when none is near.
std::string closest(std::string_view word, std::span<const std::string> candidates);

}  // namespace ballast::api
