#include "operator/policy/job_policies.h"

#include <algorithm>
#include <utility>

#include "operator/api/quantity.h"
#include "operator/core/advance.h"
#include "operator/core/pod_memory.h"
#include "operator/core/policy_wish.h"

namespace ballast::policy {
namespace {

using decide::Process;
using decide::ProcessState;
using decide::Role;

const api::Condition* find(const api::TrainingJobStatus& status, api::ConditionType type) {
  const auto found = std::find_if(status.conditions.begin(), status.conditions.end(),
                                  [&](const auto& condition) { return condition.type == type; });
  return found == status.conditions.end() ? nullptr : &*found;
}

bool holds(const api::TrainingJobStatus& status, api::ConditionType type) {
  const api::Condition* condition = find(status, type);
  return condition != nullptr && condition->status;
}

Mode mode_of(const std::string& word) {
  return word == "act" ? Mode::kAct : word == "recommend" ? Mode::kRecommend : Mode::kOff;
}

BalanceMethod method_of(const std::string& word) {
  if (word == "static") return BalanceMethod::kStatic;
  if (word == "roundRobin") return BalanceMethod::kRoundRobin;
  if (word == "leastLoaded") return BalanceMethod::kLeastLoaded;
  if (word == "weighted") return BalanceMethod::kWeighted;
  if (word == "priority") return BalanceMethod::kPriority;
  return BalanceMethod::kMeasured;
}

template <typename T>
T value_or(const std::map<std::string, T>& values, const std::string& key, T otherwise) {
  const auto found = values.find(key);
  return found == values.end() ? otherwise : found->second;
}

// Those that live and are to stay, by index.
std::vector<const Process*> ready_ones(const decide::Observed& observed, Role role) {
  std::vector<const Process*> ready;
  for (const Process& process : observed.processes) {
    if (process.role == role && process.state == ProcessState::kReady &&
        !process.stopping_since_ms && !process.killed)
      ready.push_back(&process);
  }
  std::sort(ready.begin(), ready.end(),
            [](const Process* a, const Process* b) { return a->index < b->index; });
  return ready;
}

// Of a server's primaries nothing is known but their number: they are alike, and the coordinator
// knows which of them can be promoted.
void add_groups(JobView& view, uint32_t server, int64_t primaries, int64_t segment_elements) {
  const auto bytes = static_cast<uint64_t>(segment_elements) * sizeof(float);
  view.groups.insert(view.groups.end(), static_cast<size_t>(primaries), {bytes, server, {}});
}

std::map<std::string, int64_t> shares_after(const JobView& view, const std::vector<Move>& moves) {
  std::vector<int64_t> primaries(view.servers.size(), 0);
  for (const GroupView& group : view.groups) ++primaries[group.primary];
  for (const Move& move : moves) {
    --primaries[move.from];
    ++primaries[move.to];
  }
  std::map<std::string, int64_t> shares;
  for (size_t i = 0; i < primaries.size(); ++i) shares[view.servers[i].name] = primaries[i];
  return shares;
}

decide::PolicyWish wish_of(const decide::Observed& observed, const JobView& view,
                           const Wish& wish) {
  decide::PolicyWish result;
  if (wish.shares) {
    result.worker_shares.emplace();
    for (size_t i = 0; i < wish.shares->workers.size(); ++i)
      result.worker_shares->emplace(wish.shares->workers[i], wish.shares->counts[i]);
  }
  if (!wish.moves.empty()) result.server_shares = shares_after(view, wish.moves);
  result.servers = wish.servers;
  result.workers = wish.workers;
  if (wish.replacement) {
    const Process* process = decide::find_process(observed, wish.replacement->worker);
    if (process != nullptr)
      result.replacements[wish.replacement->worker] = {process->instance, process->node};
  }
  for (const MemoryWish& raised : wish.memory) {
    for (const OutOfMemory& kill : view.out_of_memory) {
      if (kill.process == raised.process)
        result.memory[raised.process] = {kill.instance, raised.limit_bytes};
    }
  }
  return result;
}

// Those that the status has not answered yet.
std::vector<OutOfMemory> kills_in(const decide::Observed& observed) {
  std::vector<OutOfMemory> kills;
  for (const Process& process : observed.processes) {
    if (process.state != ProcessState::kExited || process.trouble.reason != "OOMKilled") continue;
    const std::string name = decide::process_name(process.role, process.index);
    const auto raised = observed.status.memory.find(name);
    if (raised != observed.status.memory.end() && raised->second.instance >= process.instance)
      continue;
    kills.push_back(
        {name, process.instance,
         kube::memory_limit(observed.job.spec, observed.status, process.role, process.index)});
  }
  return kills;
}

}  // namespace

Settings settings_of(const api::TrainingJobSpec& spec) {
  Settings settings;
  settings.memory.mode = mode_of(spec.policy.memory.mode);
  settings.memory.factor = static_cast<double>(spec.policy.memory.factor_percent) / 100;
  settings.memory.cap_bytes = api::parse_bytes(spec.policy.memory.cap).value_or(0);
  settings.straggler.mode = mode_of(spec.policy.straggler.mode);
  settings.straggler.replace_after_ms = spec.policy.straggler.replace_after_seconds * 1'000;
  settings.straggler.tell_after_ms =
      std::min(settings.straggler.tell_after_ms, settings.straggler.replace_after_ms);
  settings.server_count.mode = mode_of(spec.policy.servers.mode);
  settings.server_count.least = decide::fewest_servers(spec);
  settings.server_count.most = decide::most_servers(spec);
  settings.server_balance.mode = mode_of(spec.policy.server_balance.mode);
  settings.server_balance.measured = spec.policy.server_balance.method == "measured";
  settings.worker_balance.mode = mode_of(spec.policy.worker_balance.mode);
  settings.worker_balance.method = method_of(spec.policy.worker_balance.method);
  settings.worker_count.mode = mode_of(spec.policy.workers.mode);
  settings.worker_count.least = spec.workers.min_replicas;
  settings.worker_count.most = spec.workers.max_replicas;
  settings.worker_count.least_marginal =
      static_cast<double>(spec.policy.workers.least_marginal_percent) / 100;
  return settings;
}

std::string unsettled_by(const decide::Observed& observed) {
  const api::TrainingJobStatus& status = observed.status;
  const auto& report = observed.report;
  if (status.planned_suspend) return "Suspending";
  if (holds(status, api::ConditionType::kDegraded)) return "Degraded";
  if (!holds(status, api::ConditionType::kRunning)) return "NotReady";
  const bool trains = report && report->term == status.term && report->degraded.has_value() &&
                      report->phase == decide::CoordinatorPhase::kWorking;
  if (!trains) return "NotTraining";
  if (report->plan_number < status.plan_number) return "ChangeInFlight";
  return "";
}

void adopt(const Outcome& outcome, decide::Observed& observed) {
  observed.wish = outcome.wish;
  observed.standing = outcome.standing;
}

JobPolicies::JobPolicies(JobPoliciesOptions options)
    : options_(options), history_(wanted_series()) {}

void JobPolicies::take(const ProcessAnswer& answer) {
  Life& life = lives_[answer.process];
  // Also one that was seen before.
  const TimeMs apart_ms = std::max<TimeMs>(1, options_.least_apart_ms);
  if (life.instance == answer.instance && answer.asked_ms < life.asked_ms + apart_ms) return;
  // Policies know processes by name: of each there is one life at a time.
  if (life.instance != answer.instance) {
    history_.forget(answer.process);
    segments_.erase(answer.process);
  }
  life = {answer.instance, answer.asked_ms};
  history_.observe(answer.process, answer.asked_ms, answer.answered_ms, *answer.exposition);
}

void JobPolicies::forget_the_gone(const decide::Observed& observed) {
  std::erase_if(lives_, [&](const auto& entry) {
    const bool there = std::any_of(
        observed.processes.begin(), observed.processes.end(), [&](const Process& process) {
          return process.state == ProcessState::kReady &&
                 process.instance == entry.second.instance &&
                 decide::process_name(process.role, process.index) == entry.first;
        });
    if (!there) {
      history_.forget(entry.first);
      segments_.erase(entry.first);
    }
    return !there;
  });
}

// What a server is primary of now; and since when it holds as much as it does.
int64_t JobPolicies::note_segments(const std::string& server, TimeMs now) {
  const auto count = primary_segments(history_, server, now);
  if (!count) return 0;
  const int64_t held = held_segments(history_, server, now).value_or(0);
  const SegmentCount seen{*count, held, now};
  SegmentCount& known = segments_.try_emplace(server, seen).first->second;
  if (known.primaries != *count || known.held != held) known = seen;
  return *count;
}

JobView JobPolicies::view_of(const decide::Observed& observed) {
  const api::TrainingJobSpec& spec = observed.job.spec;
  const TimeMs now = observed.now_ms;
  const auto young = [&](const Process& process) {
    return now - process.started_ms < options_.young_ms;
  };
  JobView view;
  view.unsettled = unsettled_by(observed);
  view.microbatches = spec.training.microbatches;
  view.wanted_workers = observed.status.planned_workers;
  view.wanted_servers = observed.status.planned_servers;
  view.out_of_memory = kills_in(observed);
  view.replication = spec.servers.replication;
  view.horizontal_autoscaler = observed.horizontal_autoscaler;
  for (const Process* process : ready_ones(observed, Role::kWorker)) {
    WorkerView worker;
    worker.name = decide::process_name(Role::kWorker, process->index);
    worker.node = process->node;
    worker.microbatches = assigned_microbatches(history_, worker.name, now).value_or(0);
    worker.joining = young(*process);
    const api::WorkerBalance& balance = spec.policy.worker_balance;
    worker.weight = static_cast<double>(value_or<int64_t>(balance.weights, worker.name, 1));
    worker.priority = value_or<int64_t>(balance.priorities, worker.name, 0);
    view.workers.push_back(std::move(worker));
  }
  measure_workers(history_, options_.windows, now, view.workers);
  for (const Process* process : ready_ones(observed, Role::kServer)) {
    ServerView server;
    server.name = decide::process_name(Role::kServer, process->index);
    server.node = process->node;
    server.joining = young(*process);
    server.instance = process->instance;
    const auto index = static_cast<uint32_t>(view.servers.size());
    add_groups(view, index, note_segments(server.name, now), spec.servers.segment_elements);
    view.servers.push_back(std::move(server));
  }
  measure_servers(history_, options_.windows, now, segments_, view.servers);
  return view;
}

bool JobPolicies::has_new_kill(const decide::Observed& observed) {
  bool is_new = false;
  for (const OutOfMemory& kill : kills_in(observed)) {
    uint64_t& seen = seen_kills_[kill.process];
    is_new = is_new || kill.instance > seen;
    seen = std::max(seen, kill.instance);
  }
  return is_new;
}

std::optional<Outcome> JobPolicies::turn(const decide::Observed& observed) {
  const TimeMs now = observed.now_ms;
  const TimeMs wait_ms = observed.wish == decide::PolicyWish{}
                             ? options_.every_ms
                             : std::max(options_.every_ms, options_.wish_patience_ms);
  // Its next life is started soon: what it gets is decided before.
  if (turned_ms_ && now - *turned_ms_ < wait_ms && !has_new_kill(observed)) return std::nullopt;
  for (const auto type : {api::ConditionType::kSucceeded, api::ConditionType::kFailed,
                          api::ConditionType::kSuspended}) {
    if (holds(observed.status, type)) return std::nullopt;
  }
  turned_ms_ = now;
  forget_the_gone(observed);
  JobView view = view_of(observed);
  if (const auto sample = measure_throughput(history_, view.servers,
                                             options_.every_ms + options_.every_ms / 2, now))
    throughput_.push_back(*sample);
  std::erase_if(throughput_, [&](const ThroughputSample& sample) {
    return sample.at_ms < now - options_.keep_throughput_ms;
  });
  view.throughput = throughput_;
  Evaluation evaluation = evaluate(settings_of(observed.job.spec), view, state_, now);
  state_ = std::move(evaluation.next);
  Outcome outcome;
  outcome.wish = wish_of(observed, view, evaluation.wish);
  for (const Decision& decision : evaluation.decisions) {
    Decision& said = said_[decision.policy];
    const bool same = said.action == decision.action && said.reason == decision.reason;
    if (decision.carried_out || !same) outcome.news.push_back(decision);
    said = decision;
  }
  standing_.take(evaluation.decisions, now);
  outcome.standing = standing_.told();
  outcome.decisions = std::move(evaluation.decisions);
  return outcome;
}

}  // namespace ballast::policy
