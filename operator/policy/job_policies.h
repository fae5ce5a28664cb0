// The policies of one job over time: what was scraped and what is observed go in; decisions, and
// the wish that decide() takes, come out. Remembers samples and the policies' states; whoever
// begins with a new one loses time and nothing else. No threads, no clock: one user at a time.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "operator/core/observed.h"
#include "operator/policy/job_samples.h"
#include "operator/policy/policies.h"

namespace ballast::policy {

struct JobPoliciesOptions {
  SampleWindows windows = {};
  TimeMs every_ms = 5'000;
  TimeMs young_ms = 60'000;  // a process of this age may be without a measurement
  TimeMs keep_throughput_ms = 600'000;
};

// What one life of a process exposed; times as in decide::Observed.
struct ProcessAnswer {
  std::string process;
  uint64_t instance = 0;
  TimeMs asked_ms = 0;
  TimeMs answered_ms = 0;
  std::shared_ptr<const scrape::Exposition> exposition;
};

struct Outcome {
  std::vector<Decision> decisions;  // one of each policy, to be counted
  std::vector<Decision> news;       // those that are not what was said before, to be told
  decide::PolicyWish wish;          // to be carried out
};

// As the spec has it.
Settings settings_of(const api::TrainingJobSpec& spec);

// Why nothing may be changed now; empty: the job is at rest and trains.
std::string unsettled_by(const decide::Observed& observed);

class JobPolicies {
 public:
  explicit JobPolicies(JobPoliciesOptions options = {});

  // Any answer, also one that was seen before.
  void take(const ProcessAnswer& answer);
  // Nothing: it is not time yet, or the job has an outcome.
  std::optional<Outcome> turn(const decide::Observed& observed);

 private:
  JobView view_of(const decide::Observed& observed);
  void forget_the_gone(const decide::Observed& observed);

  JobPoliciesOptions options_;
  scrape::History history_;
  struct Life {
    uint64_t instance = 0;
    TimeMs asked_ms = 0;  // for the latest answer
  };
  std::map<std::string, Life> lives_;  // by process, of those that history_ knows
  std::vector<ThroughputSample> throughput_;
  State state_;
  std::optional<TimeMs> turned_ms_;
  std::map<Policy, Decision> said_;
};

}  // namespace ballast::policy
