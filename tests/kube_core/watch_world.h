// A simulated API server, its network, and a client made of the watch machine and its store.
//
// Faults that the client must survive: requests that fail with 0, 410, 429, 500, 503, are never
// answered, or are answered after they were given up; streams that are cut, fall silent, repeat a
// frame, or end with an error frame; a history that is forgotten while nobody looks; a server that
// is away for a while. Frames of one stream keep their order, as TCP does.
//
// One thread; one seed gives one run.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "operator/core/object_store.h"
#include "operator/core/watch_machine.h"
#include "tests/sim/random.h"

namespace ballast::kube {

using sim::Random;

// What the server held at one version: key -> version of the object.
using Snapshot = std::map<std::string, uint64_t>;

struct WorldCounts {
  int relists = 0;
  int pages = 0;
  int frames = 0;
  int troubles = 0;
  int expired = 0;
};

class WatchWorld {
 public:
  // `deaf`: a defect, to see that the checks see: a client that does not look at what a relist says
  // is gone.
  explicit WatchWorld(uint64_t seed, bool deaf = false);

  // Runs with faults, then without; empty, or what went wrong.
  std::string run();
  const WorldCounts& counts() const { return counts_; }

 private:
  struct Change {
    uint64_t version = 0;
    FrameKind kind = FrameKind::kAdded;
    std::string key;
  };
  struct Stream {
    uint64_t request = 0;
    uint64_t sent = 0;  // version of the last frame
    bool silent = false;
  };

  bool chance(int percent) {
    return faults_ && random_.below(100) < static_cast<uint64_t>(percent);
  }
  TimeMs delay() {
    return 1 + static_cast<TimeMs>(random_.below(faults_ && chance(5) ? 90'000 : 50));
  }
  void at(TimeMs when, std::function<void()> what);

  void change_something();
  Snapshot snapshot(uint64_t version) const;
  static Object object(const std::string& key, uint64_t version);

  void to_client(const WatchEvent& event);
  void perform(const WatchEffect& effect);
  void on_list(const SendList& list);
  void on_watch(const OpenWatch& watch);
  void pump(uint64_t request);
  void fail_somehow(uint64_t request);
  void check();

  Random random_;
  bool deaf_;
  bool faults_ = true;
  TimeMs now_ms_ = 0;
  uint64_t order_ = 0;
  std::map<std::pair<TimeMs, uint64_t>, std::function<void()>> agenda_;

  uint64_t version_ = 1;
  uint64_t forgotten_ = 0;  // versions up to here cannot be watched from or paged
  std::vector<Change> history_;
  Snapshot objects_;
  std::map<uint64_t, Stream> streams_;
  TimeMs away_until_ms_ = 0;

  WatchState client_;
  ObjectStore store_;
  Snapshot mirror_;  // of the store, kept by what it says has changed
  std::string wrong_;
  WorldCounts counts_;
};

}  // namespace ballast::kube
