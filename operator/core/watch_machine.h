// Follows all objects of one kind: lists them in pages, watches from there, and finds its way back
// after anything that an API server or a network does. A pure machine: requests go out as effects
// and come back as events that name their request; what belongs to an earlier request is ignored.
//
// Promised: once requests succeed again, the store becomes equal to the server's objects. A list
// swaps in whole or not at all, is as new as the server is (never one that is known to be old), and
// no deletion is lost.
// Not promised: that each version of an object is seen. Reconcilers work from what is there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "operator/core/object.h"

namespace ballast::kube {

using TimeMs = int64_t;  // passed in; never read from a clock here

inline constexpr int64_t kListPageLimit = 1'000;
inline constexpr TimeMs kFirstRetryMs = 500;
inline constexpr TimeMs kLongestRetryMs = 30'000;
// A server sends a bookmark every minute: a stream without a frame for that long is dead.
inline constexpr TimeMs kIdleStreamMs = 90'000;
// Nothing that is asked for and answered at once takes longer.
inline constexpr TimeMs kListDeadlineMs = 60'000;
// A stream that lived for so long ended in peace, even without a frame.
inline constexpr TimeMs kHealthyStreamMs = 5'000;
// Pages whose list expires again and again are given up for one answer without pages.
inline constexpr int kExpiredListsBeforeWhole = 2;

enum class WatchPhase {
  kStopped,
  kListing,        // a page was asked for
  kWaitingToList,  // until retry_at_ms
  kWatching,       // a stream was asked for, or is open
  kWaitingToWatch  // until retry_at_ms
};

struct WatchState {
  uint64_t jitter_seed = 1;  // drawn by the shell: many operators must not retry in step
  WatchPhase phase = WatchPhase::kStopped;
  uint64_t request = 0;        // of the newest request
  std::vector<Object> listed;  // pages so far
  std::string version;         // everything up to here is in the store
  int failures = 0;            // since the last sign of life
  int expired_lists = 0;       // in a row
  TimeMs retry_at_ms = 0;
  TimeMs heard_at_ms = 0;   // of the request in flight: sent, or its last frame
  TimeMs opened_at_ms = 0;  // of the stream
  bool heard = false;       // the stream had a frame
};

struct WatchStart {};
struct WatchStop {};
struct WatchTick {};
struct ListPage {
  uint64_t request = 0;
  std::vector<Object> objects;
  std::string next;     // continue token; empty: the last page
  std::string version;  // of the list
};
enum class FrameKind { kAdded, kModified, kDeleted, kBookmark, kError };
struct WatchFrame {
  uint64_t request = 0;
  FrameKind kind = FrameKind::kBookmark;
  Object object;     // kBookmark: its version alone
  int code = 0;      // kError: an HTTP status
  std::string text;  // kError
};
struct RequestFailed {
  uint64_t request = 0;
  int code = 0;  // HTTP status; 0: no answer, or one that cannot be read
  std::string text;
  std::optional<TimeMs> retry_after_ms;
};
// The end of a stream that had begun.
struct StreamEnded {
  uint64_t request = 0;
};
using WatchEvent = std::variant<WatchStart, WatchStop, WatchTick, ListPage, WatchFrame,
                                RequestFailed, StreamEnded>;

struct SendList {
  uint64_t request = 0;
  std::string next;   // continue token; empty: from the beginning
  int64_t limit = 0;  // 0: all in one answer
};
struct OpenWatch {
  uint64_t request = 0;
  std::string version;
};
struct CancelRequest {
  uint64_t request = 0;
};
struct ReplaceAll {
  std::vector<Object> objects;
};
struct PutObject {
  Object object;
};
struct RemoveObject {
  Object object;
};
// For the log and the metrics.
struct WatchTrouble {
  int code = 0;
  std::string text;
  bool relist = false;  // everything will be listed anew
};
using WatchEffect = std::variant<SendList, OpenWatch, CancelRequest, ReplaceAll, PutObject,
                                 RemoveObject, WatchTrouble>;

std::vector<WatchEffect> step(WatchState& state, const WatchEvent& event, TimeMs now_ms);

// When WatchTick has something to do.
std::optional<TimeMs> wake_at(const WatchState& state);

}  // namespace ballast::kube
