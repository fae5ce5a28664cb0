// The end of a run in numbers: text for people, JSON for machines. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "operator/cmd/figures.h"

namespace ballast::cmd {

struct Summary {
  int64_t steps = 0;
  int64_t duration_ms = 0;  // from the start of the command
  int64_t to_first_step_ms = 0;
  uint64_t tokens = 0;           // trained on
  double tokens_per_second = 0;  // from the first step to the last
  uint64_t skipped = 0;
  int64_t restarts = 0;
  int64_t losses = 0;            // processes that ended or fell silent without being asked
  int64_t longest_stall_ms = 0;  // longest time without a committed step around one of them
  double training_loss = 0;      // of the last step
  std::optional<double> validation_loss;
  bool byte_tokens = true;  // then a token is a byte, and bits per byte have a meaning
  std::string checkpoint;   // folder; empty: none
  std::string parameters_sha256;
  Figures figures;
};

std::string summary_text(const Summary& summary);
nlohmann::json summary_json(const Summary& summary);

}  // namespace ballast::cmd
