// One parameter server: the transport, the server machine, the coordinator machine once appointed,
// and the tensor store, driven by one event loop that performs effects in their order. Sums are
// made where pieces arrive; the optimizer has a thread of its own, and segments are sent while it
// goes on.
//
// Thread rule: run() owns everything; stop() and the checks for health from any thread.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/log.h"
#include "services/core/coordinator_machine.h"
#include "services/core/server_machine.h"
#include "services/server/busy_time.h"
#include "services/server/checkpoint_effects.h"
#include "services/server/checkpoint_requests.h"
#include "services/server/compute_thread.h"
#include "services/server/server_metrics.h"
#include "services/server/tensor_store.h"
#include "services/transport/transport.h"

namespace ballast {

struct ServerConfig {
  ProcessId self;
  std::string job_uid;
  ServerOptions server;
  CoordinatorOptions coordinator;
  std::optional<Step> flip_at_step = {};  // for tests of faults: a bit changes after this step
};

class Server {
 public:
  Server(ServerConfig config, std::unique_ptr<Transport> transport, Logger log);

  void run();   // until stop()
  void stop();  // from a signal handler's thread, not from the handler itself

  const ServerMetrics& metrics() const { return metrics_; }
  // Others said that this life was removed from the job; run() ends.
  bool expelled() const { return expelled_; }
  bool ready() const { return ready_.load(); }                  // the loop runs
  TimeMs last_turn_ms() const { return last_turn_ms_.load(); }  // of the loop, on the steady clock

 private:
  struct Item {
    Event event;
    ReceivedPayload payload;
    TimeMs arrived_us = 0;
  };

  void take(TransportEvent event);
  void learn(const Message& message);
  void expel_removed();  // lives that were members and are none
  bool payload_fits(const Message& message, const ReceivedPayload& payload) const;
  void handle(const Item& item);
  void on_appoint(const Envelope& envelope);
  void on_request(const Envelope& envelope);
  void perform(const Effects& effects, const Item& item);
  void send(const Send& effect);
  void transmit(const Send& effect);
  // On the optimizer's thread; the server is busy meanwhile.
  void compute(std::function<void()> work, std::function<void()> then);
  void apply(const Apply& effect);
  void summarise(const Summarise& effect);
  void applied(const Apply& effect);
  void save_part(const SaveCheckpointPart& effect);
  void open(const OpenCheckpoint& effect);
  void restore(const RestoreSegments& effect);
  void finish_segment(SegmentId segment);  // of what the optimizer still does there
  void log_plan(const Configure& effect) const;
  void push_event(Event event);
  // Does `work` on the disk's thread; what it returns is an event.
  template <typename T>
  void on_disk(std::function<T()> work) {
    auto answer = std::make_shared<T>();
    disk_.submit([answer, work = std::move(work)] { *answer = work(); },
                 [this, answer] { push_event(*answer); });
  }
  void record_fact(const FactCommitted& fact);

  ServerConfig config_;
  std::unique_ptr<Transport> transport_;
  Logger log_;
  ServerMetrics metrics_;
  BusyTime busy_;
  TensorStore store_;
  ServerMachine server_;
  std::optional<CoordinatorMachine> coordinator_;
  std::deque<Item> inbox_;
  // Segments that the optimizer has in hand, with what is to be sent of them afterwards.
  std::map<SegmentId, std::vector<Send>> applying_;
  std::set<ProcessId> members_;  // lives that this process knew last
  bool expelled_ = false;
  TimeMs next_tick_ms_ = 0;
  TimeMs next_metrics_ms_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> ready_{false};
  std::atomic<TimeMs> last_turn_ms_{0};
  std::shared_ptr<const Checkpoint> opened_;  // to be restored from
  ComputeThread disk_;                        // whatever waits for a disk
  CheckpointRequests requests_;               // which wait for it for minutes
  ComputeThread compute_;                     // last: ends before anything that its tasks refer to
};

}  // namespace ballast
