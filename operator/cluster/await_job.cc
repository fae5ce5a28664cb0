#include "operator/cluster/await_job.h"

#include <fmt/format.h>

namespace ballast::cluster {
namespace {

using nlohmann::json;

std::string text_at(const json& map, const char* key) {
  const auto found = map.find(key);
  return found != map.end() && found->is_string() ? found->get<std::string>() : "";
}

// The condition of this type, where it is True.
const json* true_condition(const json& status, const char* type) {
  const auto conditions = status.find("conditions");
  if (conditions == status.end() || !conditions->is_array()) return nullptr;
  for (const json& condition : *conditions) {
    if (!condition.is_object() || text_at(condition, "type") != type) continue;
    if (text_at(condition, "status") == "True") return &condition;
  }
  return nullptr;
}

std::string told(const json& status) {
  const std::string state = text_at(status, "state");
  if (state.empty()) return "not seen by an operator yet";
  const auto step = status.find("step");
  const bool has_step = step != status.end() && step->is_number_integer();
  return has_step ? fmt::format("{}, step {}", state, step->get<int64_t>()) : state;
}

}  // namespace

Result<void> await_success(kube::KubeClient& client, const AwaitOptions& options) {
  const std::string name = options.job.name_space + "/" + options.job.name;
  const int64_t until_ms = options.clock->now_ms() + options.patience_ms;
  std::string last = "nothing";
  do {
    const auto job = client.get(kube::kTrainingJobs, options.job);
    std::string now;
    if (job) {
      const auto found = job->body->find("status");
      const json status = found != job->body->end() && found->is_object() ? *found : json::object();
      now = told(status);
      if (now != last) options.tell(now);
      if (true_condition(status, "Succeeded") != nullptr) return {};
      if (const json* failed = true_condition(status, "Failed")) {
        return fail(ErrorCode::kInvalid,
                    fmt::format("the job {} has failed: {}", name, text_at(*failed, "message")));
      }
    } else {
      if (job.error().error.code == ErrorCode::kDenied) return tl::unexpected(job.error().error);
      now = job.error().error.message;
      if (now != last) options.tell(now);
    }
    last = now;
  } while (options.clock->now_ms() < until_ms && options.rest(options.look_again_ms));
  return fail(ErrorCode::kTimeout, fmt::format("the job {} has not ended after {} s; last seen: {}",
                                               name, options.patience_ms / 1000, last));
}

}  // namespace ballast::cluster
