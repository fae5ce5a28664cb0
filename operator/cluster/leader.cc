#include "operator/cluster/leader.h"

#include <algorithm>
#include <deque>
#include <utility>

#include <fmt/format.h>

#include "common/unix_time.h"
#include "operator/core/time_text.h"

namespace ballast::cluster {
namespace {

using nlohmann::json;

// Kubernetes' MicroTime, which wants six digits.
std::string micro_time(int64_t unix_ms) {
  std::string text = kube::format_time(unix_ms);
  text.pop_back();
  return text + fmt::format(".{:03}000Z", unix_ms % 1000);
}

}  // namespace

json lease_object(const kube::LeaseRecord& record, const kube::ObjectName& name,
                  const std::string& resource_version, int64_t unix_ms) {
  json lease = {{"apiVersion", kube::kLeases.api_version()},
                {"kind", kube::kLeases.kind},
                {"metadata", {{"name", name.name}, {"namespace", name.name_space}}},
                {"spec",
                 {{"holderIdentity", record.holder},
                  {"leaseDurationSeconds", std::max<int64_t>(1, record.duration_ms / 1000)},
                  {"renewTime", micro_time(unix_ms)},
                  {"leaseTransitions", record.transitions}}}};
  if (!resource_version.empty()) lease["metadata"]["resourceVersion"] = resource_version;
  return lease;
}

kube::LeaseRecord lease_record(const json& lease) {
  const json spec = lease.value("spec", json::object());
  const auto text = [&](const char* key) {
    const auto found = spec.find(key);
    return found != spec.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  const auto number = [&](const char* key) {
    const auto found = spec.find(key);
    return found != spec.end() && found->is_number_integer() ? found->get<int64_t>() : int64_t{0};
  };
  return {text("holderIdentity"), number("leaseDurationSeconds") * 1000, text("renewTime"),
          number("leaseTransitions")};
}

void Leadership::set(const kube::LeaseState& state) {
  leads_until_ms_ = state.leader ? state.good_until_ms : 0;
  heard_ = state.seen;
  turned_ms_ = clock_.now_ms();
}

Leader::Leader(LeaderOptions options) : options_(std::move(options)) {
  state_.identity = options_.identity;
  state_.next_try_ms = clock_.now_ms();
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

Leader::~Leader() {
  thread_.request_stop();
  thread_.join();
}

void Leader::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const kube::TimeMs wait_ms = kube::wake_at(state_) - clock_.now_ms();
    if (wait_ms > 0) {
      const MutexLock lock(mutex_);
      // Nobody notifies: this ends with the time, or with the stop.
      wake_.wait_for(mutex_, stop, std::chrono::milliseconds(wait_ms), [] { return false; });
    }
    handle(kube::LeaseTick{});
  }
  handle(kube::LeaseRelease{});
}

// What an event leads to is asked at once, on this thread: one request at a time.
void Leader::handle(const kube::LeaseEvent& event) {
  std::deque<kube::LeaseEvent> events = {event};
  while (!events.empty()) {
    const auto effects = kube::step(state_, events.front(), clock_.now_ms());
    options_.leadership->set(state_);
    events.pop_front();
    for (const kube::LeaseEffect& effect : effects) {
      if (const auto* read = std::get_if<kube::ReadLease>(&effect)) {
        events.push_back(ask(*read));
      } else if (const auto* write = std::get_if<kube::WriteLease>(&effect)) {
        events.push_back(ask(*write));
      } else if (std::holds_alternative<kube::BeginToLead>(effect)) {
        options_.log.info("leading", {{"lease", options_.lease}, {"identity", options_.identity}});
        options_.begin();
      } else if (std::holds_alternative<kube::CeaseToLead>(effect)) {
        options_.log.info("leading no more", {{"lease", options_.lease}});
        options_.cease();
      }
    }
  }
}

kube::LeaseEvent Leader::ask(const kube::ReadLease& read) {
  const auto found = options_.client->get(kube::kLeases, {options_.name_space, options_.lease});
  if (found) {
    return kube::LeaseRead{read.request, lease_record(*found->body), found->resource_version};
  }
  if (found.error().status == 404) return kube::LeaseRead{read.request, std::nullopt, ""};
  options_.log.warning("the lease cannot be read", {{"error", found.error().error}});
  return kube::LeaseFailed{read.request, false};
}

kube::LeaseEvent Leader::ask(const kube::WriteLease& write) {
  const kube::ObjectName name{options_.name_space, options_.lease};
  const json body = lease_object(write.record, name, write.resource_version, unix_now_ms());
  const auto written = write.resource_version.empty()
                           ? options_.client->create(kube::kLeases, name.name_space, body)
                           : options_.client->replace(kube::kLeases, name, body);
  if (written) return kube::LeaseWritten{write.request, written->resource_version};
  const ErrorCode code = written.error().error.code;
  const bool conflict = code == ErrorCode::kConflict || code == ErrorCode::kAlreadyExists;
  if (!conflict) {
    options_.log.warning("the lease cannot be written", {{"error", written.error().error}});
  }
  return kube::LeaseFailed{write.request, conflict};
}

}  // namespace ballast::cluster
