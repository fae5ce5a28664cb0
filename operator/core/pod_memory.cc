#include "operator/core/pod_memory.h"

#include <algorithm>
#include <string>

#include "operator/api/quantity.h"
#include "operator/core/pod_template.h"

namespace ballast::kube {
namespace {

using nlohmann::json;

uint64_t limit_of(const json& pod_template) {
  const json::json_pointer containers("/spec/containers");
  const json::json_pointer limit("/resources/limits/memory");
  if (!pod_template.contains(containers) || !pod_template[containers].is_array()) return 0;
  for (const json& container : pod_template[containers]) {
    const auto name = container.find("name");
    if (!container.is_object() || name == container.end() || *name != kMainContainer) continue;
    if (!container.contains(limit)) return 0;
    const json& memory = container[limit];
    const auto bytes =
        api::parse_bytes(memory.is_string() ? memory.get<std::string>() : memory.dump());
    return bytes.value_or(0);
  }
  return 0;
}

}  // namespace

uint64_t memory_limit(const api::TrainingJobSpec& spec, const api::TrainingJobStatus& status,
                      decide::Role role, int64_t index) {
  const auto raised = status.memory.find(decide::process_name(role, index));
  const uint64_t given = limit_of(role == decide::Role::kServer ? spec.servers.pod_template
                                                                : spec.workers.pod_template);
  // A template that was changed meanwhile may give more by itself.
  return raised == status.memory.end() ? given : std::max(given, raised->second.bytes);
}

}  // namespace ballast::kube
