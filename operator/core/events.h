// What is worth an event: the transitions of a job's status, in words, and the object that the API
// server gets of one. Pure functions.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "operator/core/observed.h"

namespace ballast::kube {

struct JobEvent {
  bool warning = false;
  std::string reason;   // one CamelCase word
  std::string message;  // a sentence

  bool operator==(const JobEvent&) const = default;
};

// In the order of conditions. Nothing where only figures have changed.
std::vector<JobEvent> events_between(const api::TrainingJobStatus& before,
                                     const api::TrainingJobStatus& next);

// Of the API group events.k8s.io. The same event of the same job has the same name: where it is
// there already, series_patch() says how often it was seen. `reporter`: the program and this
// process of it.
nlohmann::json event_object(const api::TrainingJob& job, const JobEvent& event,
                            decide::TimeMs unix_ms, const std::string& reporter);
nlohmann::json series_patch(int64_t count, decide::TimeMs unix_ms);

}  // namespace ballast::kube
