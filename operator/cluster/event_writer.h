// Writes events to the API server on a thread of its own: nothing else waits for them, and one that
// cannot be written is lost, after a line in the log. Any thread may call.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include <nlohmann/json.hpp>

#include "common/log.h"
#include "common/mutex.h"
#include "operator/kube/client.h"

namespace ballast::cluster {

class EventWriter {
 public:
  EventWriter(std::shared_ptr<kube::KubeClient> client, Logger log);
  ~EventWriter();  // what has not been written is lost
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;

  void write(nlohmann::json event);  // of event_object()

 private:
  void run(const std::stop_token& stop);
  void post(const nlohmann::json& event, const std::stop_token& stop);
  int64_t& seen(const std::string& name);

  const std::shared_ptr<kube::KubeClient> client_;
  const Logger log_;
  std::map<std::string, int64_t> counts_;  // by name of the event; of the thread alone
  Mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<nlohmann::json> waiting_ BALLAST_GUARDED_BY(mutex_);
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace ballast::cluster
