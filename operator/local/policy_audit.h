// The audit of a run's policies: one JSON line in a file for each decision that is news, with the
// numbers it was made of. A full disk loses lines and nothing else. One thread.
#pragma once

#include <filesystem>
#include <fstream>

#include "operator/api/status.h"
#include "operator/policy/decision.h"

namespace ballast::local {

class PolicyAudit {
 public:
  explicit PolicyAudit(const std::filesystem::path& file) : out_(file, std::ios::app) {}

  // `status`: in force when it was decided.
  void write(const policy::Decision& decision, const api::TrainingJobStatus& status);

 private:
  std::ofstream out_;
};

}  // namespace ballast::local
