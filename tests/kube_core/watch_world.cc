#include "tests/kube_core/watch_world.h"

#include <algorithm>

namespace ballast::kube {
namespace {

constexpr TimeMs kFaultyMs = 600'000;
constexpr TimeMs kQuietMs = 400'000;  // the longest back-off, an idle stream, a list, and some
constexpr int kNames = 8;

Snapshot of(const ObjectStore& store) {
  Snapshot snapshot;
  for (const auto& [key, object] : store.all()) {
    snapshot[key] = std::stoull(object.resource_version);
  }
  return snapshot;
}

std::string text_of(const Snapshot& snapshot) {
  std::string text;
  for (const auto& [key, version] : snapshot) text += " " + key + "@" + std::to_string(version);
  return "{" + text + " }";
}

}  // namespace

WatchWorld::WatchWorld(uint64_t seed, bool deaf) : random_(seed), deaf_(deaf) {
  client_.jitter_seed = seed;
}

std::string WatchWorld::run() {
  to_client(WatchStart{});
  for (TimeMs when = 0; when < kFaultyMs; when += 1 + static_cast<TimeMs>(random_.below(6'000))) {
    at(when, [this] { change_something(); });
  }
  const TimeMs end_ms = kFaultyMs + kQuietMs;
  while (wrong_.empty()) {
    const auto wake = wake_at(client_);
    const TimeMs next = agenda_.empty() ? end_ms : agenda_.begin()->first.first;
    const TimeMs tick = wake ? std::max(*wake, now_ms_) : end_ms;
    now_ms_ = std::min({next, tick, end_ms});
    if (now_ms_ >= end_ms) break;
    if (now_ms_ >= kFaultyMs) faults_ = false;
    if (tick <= next) {
      to_client(WatchTick{});
    } else {
      const auto what = std::move(agenda_.begin()->second);
      agenda_.erase(agenda_.begin());
      what();
    }
  }
  if (wrong_.empty() && of(store_) != objects_) {
    wrong_ =
        "at the end the store has " + text_of(of(store_)) + ", the server " + text_of(objects_);
  }
  return wrong_;
}

void WatchWorld::at(TimeMs when, std::function<void()> what) {
  agenda_.emplace(std::pair{when, ++order_}, std::move(what));
}

void WatchWorld::change_something() {
  const std::string key = "n/" + std::to_string(random_.below(kNames));
  const auto place = objects_.find(key);
  ++version_;
  if (place == objects_.end()) {
    objects_[key] = version_;
    history_.push_back({version_, FrameKind::kAdded, key});
  } else if (random_.below(3) == 0) {
    objects_.erase(place);
    history_.push_back({version_, FrameKind::kDeleted, key});
  } else {
    place->second = version_;
    history_.push_back({version_, FrameKind::kModified, key});
  }
  if (chance(10)) forgotten_ = version_ - random_.below(3);
  if (chance(3)) {
    away_until_ms_ = now_ms_ + static_cast<TimeMs>(random_.below(40'000));
    for (const auto& [request, stream] : streams_) {
      if (!stream.silent) to_client(StreamEnded{request});
    }
    streams_.clear();
  }
}

Snapshot WatchWorld::snapshot(uint64_t version) const {
  Snapshot snapshot;
  for (const Change& change : history_) {
    if (change.version > version) break;
    if (change.kind == FrameKind::kDeleted) {
      snapshot.erase(change.key);
    } else {
      snapshot[change.key] = change.version;
    }
  }
  return snapshot;
}

Object WatchWorld::object(const std::string& key, uint64_t version) {
  return {"n", key.substr(2), "uid", std::to_string(version), nullptr};
}

void WatchWorld::to_client(const WatchEvent& event) {
  for (const WatchEffect& effect : step(client_, event, now_ms_)) perform(effect);
  check();
}

void WatchWorld::perform(const WatchEffect& effect) {
  std::vector<std::string> changed;
  if (const auto* list = std::get_if<SendList>(&effect)) {
    at(now_ms_ + delay(), [this, copy = *list] { on_list(copy); });
  } else if (const auto* watch = std::get_if<OpenWatch>(&effect)) {
    at(now_ms_ + delay(), [this, copy = *watch] { on_watch(copy); });
  } else if (const auto* cancel = std::get_if<CancelRequest>(&effect)) {
    // What is on its way arrives all the same.
    at(now_ms_ + delay(), [this, request = cancel->request] { streams_.erase(request); });
  } else if (const auto* all = std::get_if<ReplaceAll>(&effect)) {
    ++counts_.relists;
    changed = store_.replace(all->objects);
    if (deaf_) std::erase_if(changed, [&](const std::string& key) { return !store_.find(key); });
  } else if (const auto* put = std::get_if<PutObject>(&effect)) {
    changed = store_.put(put->object);
  } else if (const auto* remove = std::get_if<RemoveObject>(&effect)) {
    changed = store_.remove(remove->object);
  } else if (std::holds_alternative<WatchTrouble>(effect)) {
    ++counts_.troubles;
  }
  for (const std::string& key : changed) {
    const Object* found = store_.find(key);
    if (found == nullptr) {
      mirror_.erase(key);
    } else {
      mirror_[key] = std::stoull(found->resource_version);
    }
  }
}

void WatchWorld::fail_somehow(uint64_t request) {
  constexpr int kCodes[] = {0, 0, 429, 500, 503, 403};
  RequestFailed failed{request, kCodes[random_.below(std::size(kCodes))], "a fault", {}};
  if (failed.code == 429) failed.retry_after_ms = 1 + static_cast<TimeMs>(random_.below(5'000));
  to_client(failed);
}

// The continue token is "VERSION LAST-KEY".
void WatchWorld::on_list(const SendList& list) {
  if (now_ms_ < away_until_ms_) return to_client(RequestFailed{list.request, 0, "away", {}});
  if (chance(5)) return;  // never answered
  if (chance(10)) return fail_somehow(list.request);
  uint64_t version = version_;
  std::string after;
  if (!list.next.empty()) {
    const size_t blank = list.next.find(' ');
    version = std::stoull(list.next.substr(0, blank));
    after = list.next.substr(blank + 1);
    if (version <= forgotten_) {
      ++counts_.expired;
      return to_client(RequestFailed{list.request, 410, "the continue token is too old", {}});
    }
  }
  ListPage page{list.request, {}, "", std::to_string(version)};
  const Snapshot all = snapshot(version);
  const size_t limit =
      list.limit == 0 ? all.size() : 1 + random_.below(3);  // a server may give less
  for (auto place = all.upper_bound(after); place != all.end(); ++place) {
    if (page.objects.size() == limit) {
      page.next = std::to_string(version) + " " + page.objects.back().key();
      break;
    }
    page.objects.push_back(object(place->first, place->second));
  }
  ++counts_.pages;
  at(now_ms_ + delay(), [this, page] { to_client(page); });
}

void WatchWorld::on_watch(const OpenWatch& watch) {
  if (now_ms_ < away_until_ms_) return to_client(RequestFailed{watch.request, 0, "away", {}});
  if (chance(5)) return;
  if (chance(5)) return fail_somehow(watch.request);
  const uint64_t version = std::stoull(watch.version);
  if (version < forgotten_) {
    ++counts_.expired;
    if (chance(50)) return to_client(RequestFailed{watch.request, 410, "too old", {}});
    return to_client(WatchFrame{watch.request, FrameKind::kError, {}, 410, "too old"});
  }
  streams_[watch.request] = {watch.request, version, false};
  at(now_ms_ + delay(), [this, request = watch.request] { pump(request); });
}

// One frame, or a fault, or nothing; and again later.
void WatchWorld::pump(uint64_t request) {
  const auto place = streams_.find(request);
  if (place == streams_.end()) return;
  Stream& stream = place->second;
  if (chance(1)) stream.silent = true;
  if (stream.silent) return;
  if (chance(1)) {
    streams_.erase(place);
    if (random_.below(2) == 0) return to_client(StreamEnded{request});
    return to_client(RequestFailed{request, 0, "a frame that was cut", {}});
  }
  const auto next = std::find_if(history_.begin(), history_.end(), [&](const Change& change) {
    return change.version > stream.sent;
  });
  WatchFrame frame;
  frame.request = request;
  if (next != history_.end()) {
    stream.sent = next->version;
    frame.kind = next->kind;
    frame.object = object(next->key, next->version);
  } else {
    stream.sent = version_;
    frame.object.resource_version = std::to_string(version_);
  }
  ++counts_.frames;
  at(now_ms_ + 1 + static_cast<TimeMs>(random_.below(next == history_.end() ? 20'000 : 500)),
     [this, request] { pump(request); });
  const bool twice = chance(5);
  to_client(frame);
  if (twice) to_client(frame);
}

void WatchWorld::check() {
  if (!wrong_.empty() || !store_.synced()) return;
  const Snapshot expected = snapshot(std::stoull(client_.version));
  const Snapshot found = of(store_);
  if (found != expected) {
    wrong_ = "at version " + client_.version + " the store has " + text_of(found) + ", expected " +
             text_of(expected);
  } else if (mirror_ != found) {
    wrong_ = "changes were not told: by them there is " + text_of(mirror_) + ", in the store " +
             text_of(found);
  }
}

}  // namespace ballast::kube
