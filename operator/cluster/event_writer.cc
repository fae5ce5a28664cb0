#include "operator/cluster/event_writer.h"

#include <chrono>
#include <utility>

#include "common/unix_time.h"
#include "operator/core/events.h"

namespace ballast::cluster {
namespace {

using nlohmann::json;

// More wait only where the API server does not keep up; the newest are lost then.
constexpr size_t kMostWaiting = 1'000;
constexpr size_t kMostCounted = 10'000;
constexpr auto kPatience = std::chrono::seconds(1);  // between two looks; somebody notifies

}  // namespace

EventWriter::EventWriter(std::shared_ptr<kube::KubeClient> client, Logger log)
    : client_(std::move(client)),
      log_(std::move(log)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

EventWriter::~EventWriter() {
  thread_.request_stop();
  const MutexLock lock(mutex_);
  changed_.notify_all();
}

void EventWriter::write(json event) {
  const MutexLock lock(mutex_);
  if (waiting_.size() >= kMostWaiting) return;
  waiting_.push_back(std::move(event));
  changed_.notify_one();
}

void EventWriter::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    json event;
    {
      const MutexLock lock(mutex_);
      if (waiting_.empty()) {
        changed_.wait_for(mutex_, kPatience);
        continue;
      }
      event = std::move(waiting_.front());
      waiting_.pop_front();
    }
    post(event, stop);
  }
}

// Counted from here on: what an operator before us has seen is not read.
int64_t& EventWriter::seen(const std::string& name) {
  if (counts_.size() > kMostCounted) counts_.clear();
  return counts_.try_emplace(name, 1).first->second;
}

void EventWriter::post(const json& event, const std::stop_token& stop) {
  const json& metadata = event.at("metadata");
  const kube::ObjectName name{metadata.at("namespace"), metadata.at("name")};
  std::string error;
  int64_t& count = seen(name.name);
  const auto made = client_->create(kube::kEvents, name.name_space, event, stop);
  if (made) {
    count = 1;
  } else if (made.error().error.code == ErrorCode::kAlreadyExists) {
    const json patch = kube::series_patch(++count, unix_now_ms());
    const auto counted = client_->merge(kube::kEvents, name, patch, "", stop);
    if (!counted) error = counted.error().error.message;
  } else {
    error = made.error().error.message;
  }
  if (!error.empty())
    log_.info("an event is lost", {{"event", name.name},
                                   {"reason", event.at("reason").get<std::string>()},
                                   {"error", error}});
}

}  // namespace ballast::cluster
