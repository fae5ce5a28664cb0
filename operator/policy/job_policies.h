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
#include "operator/policy/standing.h"

namespace ballast::policy {

struct JobPoliciesOptions {
  SampleWindows windows = {};
  TimeMs every_ms = 5'000;
  TimeMs least_apart_ms = 0;  // between two samples of a process
  TimeMs young_ms = 60'000;   // a process of this age may be without a measurement
  TimeMs keep_throughput_ms = 600'000;
  // A wish that the status does not take for so long is given up: it was made of what was then.
  TimeMs wish_patience_ms = 5'000;
};

// On one machine an answer costs next to nothing, and comes twice a second.
inline constexpr JobPoliciesOptions kOnOneMachine = {.windows = {.recent_ms = 5'000},
                                                     .every_ms = 1'000};
// Of thousands of pods much is to be remembered: some 30 KB of each.
inline constexpr JobPoliciesOptions kInACluster = {
    .windows = {.recent_ms = 8'000}, .every_ms = 2'000, .least_apart_ms = 1'900};

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
  std::optional<decide::PolicyStanding> standing;
};

// For the observation that decide() is to be asked with.
void adopt(const Outcome& outcome, decide::Observed& observed);

// As the spec has it.
Settings settings_of(const api::TrainingJobSpec& spec);

// Why nothing may be changed now; empty: the job is at rest and trains.
std::string unsettled_by(const decide::Observed& observed);

class JobPolicies {
 public:
  explicit JobPolicies(JobPoliciesOptions options = {});

  // Any answer, also one that was seen before.
  void take(const ProcessAnswer& answer);
  // Nothing: it is not time yet, an earlier wish waits, or the job has an outcome.
  std::optional<Outcome> turn(const decide::Observed& observed);

 private:
  JobView view_of(const decide::Observed& observed);
  int64_t note_segments(const std::string& server, TimeMs now);
  void forget_the_gone(const decide::Observed& observed);
  bool has_new_kill(const decide::Observed& observed);

  JobPoliciesOptions options_;
  scrape::History history_;
  struct Life {
    uint64_t instance = 0;
    TimeMs asked_ms = 0;  // for the latest answer
  };
  std::map<std::string, Life> lives_;             // by process, of those that history_ knows
  std::map<std::string, SegmentCount> segments_;  // by server, likewise
  std::vector<ThroughputSample> throughput_;
  State state_;
  std::optional<TimeMs> turned_ms_;
  std::map<std::string, uint64_t> seen_kills_;  // by process: the latest life
  std::map<Policy, Decision> said_;
  Standing standing_;
};

}  // namespace ballast::policy
