#include "operator/cluster/starter.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "operator/cluster/refusal.h"
#include "operator/core/pod_memory.h"
#include "operator/local/job_config.h"

namespace ballast::cluster {
namespace {

using decide::StartProcess;
using decide::StartRefusal;
using kube::Object;
using nlohmann::json;

constexpr int64_t kKillGraceSeconds = 1;

// By which Expected knows them.
std::string creation_of(decide::Role role, int64_t index, uint64_t instance) {
  return "made " + decide::process_name(role, index) + " " + std::to_string(instance);
}
std::string deletion_of(const std::string& uid, std::optional<int64_t> grace_seconds) {
  return "gone " + uid + " " + std::to_string(grace_seconds.value_or(-1));
}

void note_refusal(const StartProcess& start, const std::optional<decide::Trouble>& trouble,
                  decide::Observed& observed) {
  auto& refusals = observed.refusals;
  const auto known = std::find_if(refusals.begin(), refusals.end(), [&](const StartRefusal& one) {
    return one.role == start.role && one.index == start.index;
  });
  if (!trouble) {
    if (known != refusals.end()) refusals.erase(known);
  } else if (known == refusals.end()) {
    refusals.push_back({start.role, start.index, *trouble, 1, observed.now_ms});
  } else {
    known->trouble = *trouble;
    known->times += 1;
    known->at_ms = observed.now_ms;
  }
}

// One of them was, by something that holds for all.
bool refused_before(const std::vector<StartProcess>& starts, const decide::Observed& observed) {
  return std::any_of(observed.refusals.begin(), observed.refusals.end(), [&](const auto& refusal) {
    return holds_for_all(refusal.trouble) &&
           std::any_of(starts.begin(), starts.end(), [&](const StartProcess& start) {
             return start.role == refusal.role && start.index == refusal.index;
           });
  });
}

// 0: it was not raised.
uint64_t raised_memory(const StartProcess& start, const decide::Observed& observed) {
  if (!observed.status.memory.contains(decide::process_name(start.role, start.index))) return 0;
  return kube::memory_limit(observed.job.spec, observed.status, start.role, start.index);
}

// Where a life before this one was far too slow.
std::string slow_node(const StartProcess& start, const api::TrainingJobStatus& status) {
  const auto replaced = status.replacements.find(decide::process_name(start.role, start.index));
  return replaced == status.replacements.end() ? "" : replaced->second.node;
}

}  // namespace

Result<void> Starter::start(const std::vector<StartProcess>& starts, decide::Observed& observed,
                            PodView& pods) {
  const Made around = make_surroundings(observed.job);
  if (around.error) return tl::unexpected(*around.error);
  std::vector<std::optional<Made>> made(starts.size());
  Made first_failure = around;
  if (!around.refusal) {
    const std::vector<std::string> troubled = pods.troubled_nodes();
    const auto make = [&](size_t i) -> Result<void> {
      made[i] = make_pod(starts[i], observed, pods, troubled);
      if (made[i]->error) return tl::unexpected(*made[i]->error);
      // What holds for all others too is not tried with each of them.
      if (made[i]->refusal && holds_for_all(*made[i]->refusal))
        return fail(ErrorCode::kDenied, made[i]->refusal->message);
      return {};
    };
    const size_t at_once = refused_before(starts, observed) ? kCarefullyAtOnce : kFirstAtOnce;
    const auto done = options_.parallel->for_each(starts.size(), make,
                                                  {observed.job.metadata.name_space, at_once, {}});
    for (const auto& one : made) {
      if (!done && one && !first_failure.error &&
          (one->error || (one->refusal && holds_for_all(*one->refusal))))
        first_failure = *one;
    }
  }
  for (size_t i = 0; i < starts.size(); ++i) {
    const Made& one = made[i] ? *made[i] : first_failure;
    if (!one.error) note_refusal(starts[i], one.refusal, observed);
  }
  if (first_failure.error) return tl::unexpected(*first_failure.error);
  return {};
}

Result<void> Starter::refuse(const std::vector<StartProcess>& starts, const Error& reason,
                             decide::Observed& observed) {
  const bool for_good = reason.code == ErrorCode::kDenied || reason.code == ErrorCode::kInvalid ||
                        reason.code == ErrorCode::kAlreadyExists;
  if (!for_good) return tl::unexpected(reason);
  for (const StartProcess& start : starts) {
    note_refusal(start, decide::Trouble{"NoCertificates", reason.message}, observed);
  }
  return {};
}

void Starter::seen(const decide::Observed& observed) {
  for (const decide::Process& process : observed.processes) {
    expected_.settle(creation_of(process.role, process.index, process.instance));
  }
}

Starter::Made Starter::failed(const kube::ApiError& error) {
  if (auto refusal = refusal_of(error)) return {std::move(refusal), {}};
  return {{}, error.error};
}

void Starter::surround(const api::TrainingJob& job, const std::function<void()>& meanwhile) {
  make_surroundings(job, meanwhile);
}

// What pods need, and what does not depend on another.
Starter::Made Starter::make_surroundings(const api::TrainingJob& job,
                                         const std::function<void()>& meanwhile) {
  std::string config = local::job_config_json(job);
  std::vector<std::function<Made()>> missing;
  if (!has_service_) {
    missing.emplace_back([&] {
      Made made = ensure(kube::kServices, job.metadata.name, job, kube::service_of(job));
      if (!made.error && !made.refusal) has_service_ = true;
      return made;
    });
  }
  if (config != config_) {
    missing.emplace_back([&] {
      Made made =
          ensure(kube::kConfigMaps, kube::config_name(job), job, kube::config_of(job, config));
      if (!made.error && !made.refusal) config_ = config;
      return made;
    });
  }
  std::vector<Made> made(missing.size());
  const auto make = [&](size_t i) -> Result<void> {
    made[i] = missing[i]();
    return {};
  };
  const auto done = options_.parallel->for_each(missing.size(), make,
                                                {job.metadata.name_space, kFirstAtOnce, meanwhile});
  if (!done) return {{}, done.error()};
  for (Made& one : made) {
    if (one.error || one.refusal) return std::move(one);
  }
  return {};
}

Starter::Made Starter::ensure(const kube::Resource& kind, const std::string& name,
                              const api::TrainingJob& job, const json& body) {
  const std::string& name_space = job.metadata.name_space;
  const auto made = options_.client->create(kind, name_space, body);
  if (made) return {};
  if (made.error().error.code != ErrorCode::kAlreadyExists) return failed(made.error());
  const auto there = options_.client->get(kind, {name_space, name});
  if (!there) return failed(there.error());
  if (!is_owned_by(*there, job.metadata.uid)) return {name_taken(std::string(kind.kind), name), {}};
  if (!body.contains("data") || there->body->value("data", json()) == body["data"]) return {};
  const auto applied = options_.client->apply(kind, {name_space, name}, body, true);
  return applied ? Made{} : failed(applied.error());
}

Starter::Made Starter::make_pod(const StartProcess& start, const decide::Observed& observed,
                                PodView& pods, const std::vector<std::string>& troubled) {
  const std::string name = kube::pod_name(observed.job, start.role, start.index);
  const auto old = pods.find(observed.job, name);
  if (!old) return create_pod(start, observed, troubled);
  if (!is_owned_by(*old, observed.job.metadata.uid)) return {name_taken("Pod", name), {}};
  // An ended life of that name goes first; its successor is made when it is gone. What was made
  // meanwhile is no end.
  if (pods.is_lost(*old)) return remove_pod(*old, 0, observed.now_ms, pods);
  const bool goes = old->body->at("metadata").contains("deletionTimestamp");
  if (goes || !pods.has_ended(*old, observed.now_ms)) return {};
  return remove_pod(*old, std::nullopt, observed.now_ms, pods);
}

Starter::Made Starter::create_pod(const StartProcess& start, const decide::Observed& observed,
                                  const std::vector<std::string>& troubled) {
  const api::TrainingJob& job = observed.job;
  const std::string name = kube::pod_name(job, start.role, start.index);
  const std::string creation = creation_of(start.role, start.index, start.instance);
  std::vector<std::string> shunned = troubled;
  if (auto slow = slow_node(start, observed.status); !slow.empty())
    shunned.push_back(std::move(slow));
  const auto pod = kube::pod_of(job, start, options_.settings,
                                {std::move(shunned), raised_memory(start, observed)});
  if (!pod) return {decide::Trouble{"InvalidTemplate", pod.error().message}, {}};
  if (!expected_.ask(creation, observed.now_ms)) return {};
  const auto made = options_.client->create(kube::kPods, job.metadata.name_space, *pod);
  if (made) {
    options_.log.info("pod created", {{"pod", name}});
    return {};
  }
  if (made.error().error.code == ErrorCode::kAlreadyExists) {
    // The watch has not told yet; or it is none that our watch tells of.
    const auto there = options_.client->get(kube::kPods, {job.metadata.name_space, name});
    if (there && is_owned_by(*there, job.metadata.uid)) return {};
    expected_.settle(creation);
    return there ? Made{name_taken("Pod", name), {}} : failed(there.error());
  }
  expected_.settle(creation);
  return failed(made.error());
}

Starter::Made Starter::remove_pod(const Object& pod, std::optional<int64_t> grace_seconds,
                                  decide::TimeMs now_ms, PodView& pods) {
  const std::string deletion = deletion_of(pod.uid, grace_seconds);
  if (!expected_.ask(deletion, now_ms)) return {};
  const auto gone = options_.client->remove(kube::kPods, {pod.name_space, pod.name},
                                            {pod.uid, "", grace_seconds});
  // Where it is not there, or another, what was meant is gone.
  if (!gone && gone.error().error.code != ErrorCode::kNotFound &&
      gone.error().error.code != ErrorCode::kConflict) {
    expected_.settle(deletion);
    return failed(gone.error());
  }
  pods.asked_to_end(pod, grace_seconds == kKillGraceSeconds, now_ms);
  return {};
}

Result<void> Starter::stop(const std::vector<decide::StopProcess>& stops,
                           const decide::Observed& observed, PodView& pods) {
  const auto stop_one = [&](size_t i) -> Result<void> {
    const auto pod = pods.find(observed.job, observed.job.metadata.name + "-" + stops[i].name);
    if (!pod || !is_owned_by(*pod, observed.job.metadata.uid)) return {};
    const std::optional<int64_t> grace =
        stops[i].kill ? std::optional(kKillGraceSeconds) : std::nullopt;
    const Made made = remove_pod(*pod, grace, observed.now_ms, pods);
    if (made.error) return tl::unexpected(*made.error);
    if (made.refusal) return fail(ErrorCode::kDenied, made.refusal->message);
    return {};
  };
  return options_.parallel->for_each(stops.size(), stop_one,
                                     {observed.job.metadata.name_space, kFirstAtOnce, {}});
}

}  // namespace ballast::cluster
