// The worker's side of a job as a library that knows no model: join, get work, wait for parameters,
// hand over gradients as they become final, report evaluations. Another framework's worker needs no
// more.
//
//   auto client = Client::join(options, identity, initial_values);
//   for (;;) {
//     Next next = (*client)->next_work();
//     if (std::holds_alternative<End>(next)) break;
//     const Work& work = std::get<Work>(next);
//     for (Microbatch v : work.microbatches) {
//       (*client)->wait_parameters(0, n);              // layer by layer, first layers first
//       ... forward ...
//       auto gradient = (*client)->begin_microbatch(v, tokens, loss_sum);
//       ... backward: write `gradient`, call finished(begin, end) as ranges become final ...
//       (*client)->end_microbatch();
//     }
//     for (uint32_t e : work.evaluations) (*client)->evaluation_done(e, loss_sum, tokens);
//   }
//
// Promises: parameters seen between two calls of next_work are of one version, work.step. What is
// pushed is the sum over the work's tree nodes in the order of services/core/tree.h.
// Thread rule: one thread calls (finished() may come from any one thread at a time); leave(),
// abandoned() and statistics() from any. One thread of the library's own does the network.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "common/error.h"
#include "services/core/messages.h"
#include "services/core/worker_machine.h"
#include "services/transport/certificate_watch.h"
#include "services/transport/security.h"

namespace ballast {

// Told of each finished transfer, on the library's thread; must be quick and not call the client.
class ClientObserver {
 public:
  virtual ~ClientObserver() = default;
  virtual void pushed(double /*seconds*/, uint64_t /*bytes*/) {}  // sent until acknowledged
  virtual void pulled(double /*seconds*/, uint64_t /*bytes*/) {}  // asked until received
  virtual void fact(std::string_view /*message*/, std::string_view /*detail*/) {}  // for the log
  virtual void certificate(const CertificateNews& /*of our own*/) {}
};

struct ClientOptions {
  std::string name;          // "worker-0"
  uint64_t incarnation = 0;  // 0: drawn
  std::string job_uid;
  // Of servers to ask for the coordinator: unix:/PATH or HOST:PORT. Names lead to who has them when
  // this joins, and one that does is waited for.
  std::vector<std::string> servers;
  std::string build;
  uint32_t microbatches = 1;  // V, of TrainingConfig
  uint32_t segment_elements = kDefaultSegmentElements;
  Security security;
  WorkerOptions protocol;
  ClientObserver* observer = nullptr;  // outlives the client
};

// Fills `values` with the initial values of arena elements [begin, begin + values.size()): a pure
// function of the job (padding: 0). Called by join and next_work, on the caller's thread.
using InitialValues = std::function<void(uint64_t begin, std::span<float> values)>;

// Compute these microbatches, in this order, then these evaluation microbatches, on version `step`.
// More work for the same step may follow, when another worker was lost.
struct Work {
  Step step = 0;
  std::vector<Microbatch> microbatches;
  std::vector<uint32_t> evaluations;
};

// There will be no more work. Neither failed nor refused: the job is done, or leave() was called.
struct End {
  bool failed = false;   // the job failed, or nobody answered for give_up_after_ms
  bool refused = false;  // this process can never work for this job: do not try again
  std::string reason;
};
using Next = std::variant<Work, End>;

enum class Wait { kReady, kGone };

struct ClientPlan {  // bytes of memory
  uint64_t parameters = 0;
  uint64_t gradient = 0;
  uint64_t partial_sums = 0;  // at most, when one node with `microbatches` leaves is computed
};
ClientPlan plan_client(uint64_t arena_elements, uint32_t microbatches);

// Since the start.
struct ClientStatistics {
  uint64_t bytes_pushed = 0;
  uint64_t bytes_pulled = 0;
  uint64_t steps = 0;          // works with another step than the one before
  double seconds_waiting = 0;  // in next_work: for others, for the commit
  double seconds_pulling = 0;  // in wait_parameters
  double seconds_pushing = 0;  // in finished and end_microbatch: adding up and handing over
};

class Client {
 public:
  // Waits until a server's name leads somewhere, connects, joins, and returns when accepted.
  // kDenied: refused for good (other job, build, data, numerics, certificate); kUnavailable: nobody
  // answered for give_up_after_ms; kInvalid: options.
  static Result<std::unique_ptr<Client>> join(ClientOptions options, JobIdentity identity,
                                              InitialValues initial_values);
  virtual ~Client() = default;  // drops all connections

  // The arena. Elements may be read after wait_parameters, until the next call of next_work. With
  // options.protocol.precision kBf16 each is a bfloat16, as the server rounded it: the lower half
  // of its bits is zero.
  virtual std::span<const float> parameters() const = 0;

  // Blocks until there is work, or never will be. Whatever of the work before was not computed is
  // dropped.
  virtual Next next_work() = 0;

  // Blocks until arena elements [begin, end) hold version work.step. kGone: the work became
  // pointless.
  virtual Wait wait_parameters(uint64_t begin, uint64_t end) = 0;

  // True when the work in hand became pointless: its step was committed, or the job ended. Cheap.
  virtual bool abandoned() const = 0;

  // After the forward pass of microbatch v (of work.microbatches): returns the gradient to be
  // filled, arena-shaped, with unspecified content. Write every element, padding too.
  virtual std::span<float> begin_microbatch(Microbatch v, uint64_t tokens, double loss_sum) = 0;
  // Elements [begin, end) are final for this microbatch; in any order, each element exactly once.
  virtual void finished(uint64_t begin, uint64_t end) = 0;
  // All is final (ranges never reported included). The gradient must not be touched any more.
  virtual void end_microbatch() = 0;

  virtual void evaluation_done(uint32_t index, double loss_sum, uint64_t tokens) = 0;

  // Finish what is given, then go: next_work returns End. From any thread.
  virtual void leave() = 0;

  virtual uint64_t incarnation() const = 0;
  virtual ClientStatistics statistics() const = 0;
};

}  // namespace ballast
