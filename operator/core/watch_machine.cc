#include "operator/core/watch_machine.h"

#include <algorithm>
#include <utility>

namespace ballast::kube {
namespace {

constexpr int kGone = 410;
constexpr int kBadRequest = 400;
constexpr int kNotFound = 404;

class Watch {
 public:
  Watch(WatchState& state, TimeMs now_ms) : state_(state), now_ms_(now_ms) {}

  std::vector<WatchEffect> take() { return std::move(effects_); }

  void on(const WatchStart&) {
    if (state_.phase == WatchPhase::kStopped) list();
  }

  void on(const WatchStop&) {
    cancel();
    state_.phase = WatchPhase::kStopped;
    state_.listed.clear();
  }

  void on(const WatchTick&) {
    if (const auto due = wake_at(state_); !due || now_ms_ < *due) return;
    switch (state_.phase) {
      case WatchPhase::kStopped:
        return;
      case WatchPhase::kWaitingToList:
        return list();
      case WatchPhase::kWaitingToWatch:
        return watch();
      case WatchPhase::kListing:
        cancel();
        return retry(WatchPhase::kWaitingToList, 0, "no answer to a list", {});
      case WatchPhase::kWatching:
        cancel();
        return retry(WatchPhase::kWaitingToWatch, 0, "a silent stream", {});
    }
  }

  void on(const ListPage& page) {
    if (state_.phase != WatchPhase::kListing || page.request != state_.request) return;
    state_.listed.insert(state_.listed.end(), page.objects.begin(), page.objects.end());
    if (!page.next.empty()) return ask_for_page(page.next);
    state_.expired_lists = 0;
    state_.version = page.version;
    effects_.push_back(ReplaceAll{std::exchange(state_.listed, {})});
    watch();
  }

  void on(const WatchFrame& frame) {
    if (state_.phase != WatchPhase::kWatching || frame.request != state_.request) return;
    if (frame.kind == FrameKind::kError) {
      cancel();
      return trouble(frame.code, frame.text, {});
    }
    state_.heard_at_ms = now_ms_;
    state_.heard = true;
    state_.failures = 0;
    state_.version = frame.object.resource_version;
    if (frame.kind == FrameKind::kBookmark) return;
    if (frame.kind == FrameKind::kDeleted) {
      effects_.push_back(RemoveObject{frame.object});
    } else {
      effects_.push_back(PutObject{frame.object});
    }
  }

  void on(const RequestFailed& failed) {
    if (!in_flight(failed.request)) return;
    trouble(failed.code, failed.text, failed.retry_after_ms);
  }

  void on(const StreamEnded& ended) {
    if (!in_flight(ended.request)) return;
    if (state_.phase == WatchPhase::kListing) return trouble(0, "an answer that was cut", {});
    // Servers end every stream after some minutes.
    if (state_.heard || now_ms_ - state_.opened_at_ms >= kHealthyStreamMs) {
      state_.failures = 0;
      return watch();
    }
    retry(WatchPhase::kWaitingToWatch, 0, "a stream that ended", {});
  }

 private:
  bool in_flight(uint64_t request) const {
    return request == state_.request &&
           (state_.phase == WatchPhase::kListing || state_.phase == WatchPhase::kWatching);
  }

  void list() {
    state_.listed.clear();
    state_.phase = WatchPhase::kListing;
    ask_for_page("");
  }

  void ask_for_page(const std::string& next) {
    const bool whole = state_.expired_lists >= kExpiredListsBeforeWhole;
    state_.heard_at_ms = now_ms_;
    effects_.push_back(SendList{++state_.request, next, whole ? 0 : kListPageLimit});
  }

  void watch() {
    state_.phase = WatchPhase::kWatching;
    state_.opened_at_ms = state_.heard_at_ms = now_ms_;
    state_.heard = false;
    effects_.push_back(OpenWatch{++state_.request, state_.version});
  }

  void cancel() {
    if (in_flight(state_.request)) effects_.push_back(CancelRequest{state_.request});
  }

  void trouble(int code, const std::string& text, std::optional<TimeMs> retry_after_ms) {
    if (state_.phase == WatchPhase::kListing) {
      // The snapshot that the pages are of is no longer kept.
      if (code == kGone) ++state_.expired_lists;
      return retry(WatchPhase::kWaitingToList, code, text, retry_after_ms);
    }
    // The version is too old (or, of another server, none at all), or the kind is gone.
    const bool lost = code == kGone || code == kBadRequest || code == kNotFound;
    retry(lost ? WatchPhase::kWaitingToList : WatchPhase::kWaitingToWatch, code, text,
          retry_after_ms);
  }

  void retry(WatchPhase phase, int code, std::string text, std::optional<TimeMs> retry_after_ms) {
    effects_.push_back(WatchTrouble{code, std::move(text), phase == WatchPhase::kWaitingToList});
    state_.phase = phase;
    state_.listed.clear();
    state_.retry_at_ms = now_ms_ + std::max(back_off(), retry_after_ms.value_or(0));
    ++state_.failures;
  }

  // The first failure is tried again at once: most often a server was just replaced.
  TimeMs back_off() {
    if (state_.failures == 0) return 0;
    const int doublings = std::min(state_.failures - 1, 10);
    const TimeMs base = std::min(kFirstRetryMs << doublings, kLongestRetryMs);
    // splitmix64 (Steele, Lea, Flood 2014)
    uint64_t mixed = state_.jitter_seed += 0x9e3779b97f4a7c15U;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
    mixed ^= mixed >> 31;
    return base + static_cast<TimeMs>(mixed % static_cast<uint64_t>(base / 2));
  }

  WatchState& state_;
  TimeMs now_ms_;
  std::vector<WatchEffect> effects_;
};

}  // namespace

std::vector<WatchEffect> step(WatchState& state, const WatchEvent& event, TimeMs now_ms) {
  Watch watch(state, now_ms);
  std::visit([&](const auto& kind) { watch.on(kind); }, event);
  return watch.take();
}

std::optional<TimeMs> wake_at(const WatchState& state) {
  switch (state.phase) {
    case WatchPhase::kStopped:
      return std::nullopt;
    case WatchPhase::kWaitingToList:
    case WatchPhase::kWaitingToWatch:
      return state.retry_at_ms;
    case WatchPhase::kListing:
      return state.heard_at_ms + kListDeadlineMs;
    case WatchPhase::kWatching:
      return state.heard_at_ms + kIdleStreamMs;
  }
  return std::nullopt;
}

}  // namespace ballast::kube
