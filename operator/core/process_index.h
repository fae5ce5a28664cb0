// The processes of an observation by role and index: found in logarithmic time, walked in a fixed
// order. Valid as long as the observation is.
#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "operator/core/observed.h"

namespace ballast::decide {

class ProcessIndex {
 public:
  explicit ProcessIndex(const Observed& observed);

  const std::vector<const Process*>& all() const { return all_; }  // servers first, ascending
  const Process* find(Role role, int64_t index) const;             // null: there is none
  const Process* find(std::string_view name) const;

 private:
  std::vector<const Process*> all_;
};

// Of process_name(); nothing: it is the name of no process.
std::optional<std::pair<Role, int64_t>> parse_process_name(std::string_view name);

}  // namespace ballast::decide
