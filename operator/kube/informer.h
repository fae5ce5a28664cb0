// Keeps all objects of one kind in memory, as new as the API server tells: the watch machine with a
// thread and a client. Reads may come from any thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/mutex.h"
#include "operator/core/object_store.h"
#include "operator/core/watch_machine.h"
#include "operator/kube/client.h"

namespace ballast::kube {

struct InformerOptions {
  Resource kind;
  std::string name_space;  // empty: all
  std::string label_selector;
  uint64_t jitter_seed = 1;
  // On the informer's thread, after the store has it: this object is new, other or gone.
  std::function<void(const std::string& key)> changed;
  std::function<void(const WatchTrouble&)> trouble;
  // What is kept of an object's body; empty: all that came.
  std::function<nlohmann::json(const nlohmann::json& body)> keep;
  ObjectStore::GroupOf group_of;
};

class Informer {
 public:
  Informer(std::shared_ptr<KubeClient> client, std::shared_ptr<const Clock> clock,
           InformerOptions options);
  ~Informer();  // stops; no call of `changed` comes after it
  Informer(const Informer&) = delete;
  Informer& operator=(const Informer&) = delete;

  std::optional<Object> find(const std::string& key) const;
  std::vector<Object> all() const;
  std::vector<Object> in_group(const std::string& group) const;
  // Whether a whole list has come in: before that, nothing may be concluded from what is not there.
  bool synced() const;
  // Waits for it; false: the stop came first.
  bool wait_until_synced(const std::stop_token& stop) const;

 private:
  void run(const std::stop_token& stop);
  void handle(const WatchEvent& event);
  void perform(const WatchEffect& effect);
  void tell(const std::vector<std::string>& keys);
  void slim(Object& object) const;
  void ask(const SendList& list, const std::stop_token& stop);
  void follow(const OpenWatch& watch, const std::stop_token& stop);

  const std::shared_ptr<KubeClient> client_;
  const std::shared_ptr<const Clock> clock_;
  const InformerOptions options_;

  // The informer's thread alone:
  WatchState state_;
  std::optional<SendList> to_list_;
  std::optional<OpenWatch> to_watch_;
  bool cancelled_ = false;

  mutable Mutex mutex_;
  std::condition_variable_any wake_;
  mutable std::condition_variable_any first_list_;
  ObjectStore store_ BALLAST_GUARDED_BY(mutex_);

  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace ballast::kube
