// What pods and nodes tell of the processes on them. Reading checks every type; what is not as
// Kubernetes writes it is as good as not there. Pure functions.
#pragma once

#include <optional>

#include <nlohmann/json.hpp>

#include "operator/core/observed.h"

namespace ballast::kube {

// What is seen of a pod's process; its incarnation is not in there, so it is never ready. Nothing:
// the pod is not one of ours. `now_ms`: for what has no time.
std::optional<decide::Process> process_of(const nlohmann::json& pod, decide::TimeMs now_ms);

// Why the processes on a node must be taken for lost, when they do not answer, either; nothing: the
// node is well. `node` null: there is no such node any more.
std::optional<decide::Trouble> node_trouble(const std::string& name, const nlohmann::json* node);

}  // namespace ballast::kube
