#include "operator/kube/informer.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace ballast::kube {
namespace {

constexpr auto kPatience = std::chrono::seconds(1);  // between two looks; somebody notifies

}  // namespace

Informer::Informer(std::shared_ptr<KubeClient> client, std::shared_ptr<const Clock> clock,
                   InformerOptions options)
    : client_(std::move(client)),
      clock_(std::move(clock)),
      options_(std::move(options)),
      store_(options_.group_of),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Informer::~Informer() {
  thread_.request_stop();
  thread_.join();
}

std::optional<Object> Informer::find(const std::string& key) const {
  const MutexLock lock(mutex_);
  const Object* found = store_.find(key);
  return found == nullptr ? std::nullopt : std::optional<Object>(*found);
}

std::vector<Object> Informer::all() const {
  const MutexLock lock(mutex_);
  std::vector<Object> objects;
  for (const auto& [key, object] : store_.all()) objects.push_back(object);
  return objects;
}

std::vector<Object> Informer::in_group(const std::string& group) const {
  const MutexLock lock(mutex_);
  return store_.in_group(group);
}

void Informer::slim(Object& object) const {
  if (!options_.keep || object.body == nullptr) return;
  object.body = std::make_shared<const nlohmann::json>(options_.keep(*object.body));
}

bool Informer::synced() const {
  const MutexLock lock(mutex_);
  return store_.synced();
}

bool Informer::wait_until_synced(const std::stop_token& stop) const {
  const std::stop_callback wake(stop, [this] {
    const MutexLock lock(mutex_);
    first_list_.notify_all();
  });
  const MutexLock lock(mutex_);
  while (!store_.synced() && !stop.stop_requested()) first_list_.wait_for(mutex_, kPatience);
  return store_.synced();
}

// One request at a time; what it brings is handled on this thread.
void Informer::run(const std::stop_token& stop) {
  state_.jitter_seed = options_.jitter_seed;
  handle(WatchStart{});
  while (!stop.stop_requested()) {
    if (to_list_) {
      ask(*std::exchange(to_list_, std::nullopt), stop);
    } else if (to_watch_) {
      follow(*std::exchange(to_watch_, std::nullopt), stop);
    } else {
      const TimeMs wait_ms = wake_at(state_).value_or(clock_->now_ms()) - clock_->now_ms();
      if (wait_ms > 0) {
        const MutexLock lock(mutex_);
        // Nobody notifies: this ends with the time, or with the stop.
        wake_.wait_for(mutex_, stop, std::chrono::milliseconds(wait_ms), [] { return false; });
      }
      handle(WatchTick{});
    }
  }
}

void Informer::handle(const WatchEvent& event) {
  for (const WatchEffect& effect : step(state_, event, clock_->now_ms())) perform(effect);
}

void Informer::perform(const WatchEffect& effect) {
  if (const auto* list = std::get_if<SendList>(&effect)) {
    to_list_ = *list;
  } else if (const auto* watch = std::get_if<OpenWatch>(&effect)) {
    to_watch_ = *watch;
  } else if (std::holds_alternative<CancelRequest>(effect)) {
    cancelled_ = true;
  } else if (const auto* trouble = std::get_if<WatchTrouble>(&effect)) {
    if (options_.trouble) options_.trouble(*trouble);
  } else {
    std::vector<std::string> keys;
    {
      const MutexLock lock(mutex_);
      if (const auto* all = std::get_if<ReplaceAll>(&effect)) {
        keys = store_.replace(all->objects);
        first_list_.notify_all();
      }
      if (const auto* put = std::get_if<PutObject>(&effect)) keys = store_.put(put->object);
      if (const auto* gone = std::get_if<RemoveObject>(&effect)) keys = store_.remove(gone->object);
    }
    tell(keys);
  }
}

void Informer::tell(const std::vector<std::string>& keys) {
  if (!options_.changed) return;
  for (const std::string& key : keys) options_.changed(key);
}

void Informer::ask(const SendList& list, const std::stop_token& stop) {
  auto answer = client_->list(options_.kind, options_.name_space,
                              {options_.label_selector, list.limit, list.next}, stop);
  if (stop.stop_requested()) return;
  if (answer) {
    for (Object& object : answer->objects) slim(object);
    return handle(ListPage{list.request, std::move(answer->objects), std::move(answer->next),
                           std::move(answer->version)});
  }
  const ApiError& error = answer.error();
  handle(RequestFailed{list.request, error.status, error.error.message, error.retry_after_ms});
}

void Informer::follow(const OpenWatch& watch, const std::stop_token& stop) {
  cancelled_ = false;
  const auto on_frame = [&](WatchFrame frame) {
    if (stop.stop_requested()) return false;
    frame.request = watch.request;
    slim(frame.object);
    handle(frame);
    return !cancelled_;
  };
  const auto done = client_->watch(options_.kind, options_.name_space, options_.label_selector,
                                   watch.version, on_frame, stop);
  if (stop.stop_requested() || cancelled_) return;
  if (done) return handle(StreamEnded{watch.request});
  const ApiError& error = done.error();
  handle(RequestFailed{watch.request, error.status, error.error.message, error.retry_after_ms});
}

}  // namespace ballast::kube
