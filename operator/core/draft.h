// A status in the making: what is observed, and the status that shall stand, which the steps of
// advance() change one after the other. Each step is in a file of its own and knows no other.
// Not for several threads.
#pragma once

#include <string>

#include "operator/core/observed.h"
#include "operator/core/process_index.h"

namespace ballast::decide {

struct Draft {
  explicit Draft(const Observed& seen) : observed(seen), processes(seen), next(seen.status) {}

  const Observed& observed;
  const ProcessIndex processes;
  api::TrainingJobStatus next;

  // A condition keeps its time while its status stays.
  void set(api::ConditionType type, bool status, std::string reason, std::string message);
  // Unless there is an outcome already.
  void fail(std::string reason, std::string message);

  // Whether the report is of the term in force.
  bool report_counts() const;

  bool is_coordinator(const api::MemberStatus& member) const;
  bool is_gone(const api::MemberStatus& member) const;
  // Has not answered us for a while, in which we have asked: a witness beside whoever calls it
  // silent.
  bool is_silent(const api::MemberStatus& member) const;
};

// "worker-3 ended with code 1", "worker-3 was taken away (Evicted: the node was low on memory)"
std::string how_it_ended(const Process& process);

}  // namespace ballast::decide
