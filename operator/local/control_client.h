// The supervisor's session with one server, which it keeps open: appointments, members and origins
// go out, questions and progress come in. gRPC and its threads, which all clients of a process
// share, stay inside; what arrives waits in a queue until take(), which also calls again where that
// is due. One thread owns a client; `notify` is called from another when it should take().
//
// Not promised: that what is sent arrives. decide() learns of each new session and tells it
// everything again.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "operator/api/status.h"
#include "operator/api/training_job.h"
#include "operator/certificates/issue.h"
#include "operator/core/observed.h"

namespace ballast::local {

// What a coordinator says of its work, for people.
struct Progress {
  decide::CoordinatorReport report;
  std::string phase;      // "sealing", "training", ...
  bool training = false;  // it has workers, and commits steps
  double learning_rate = 0;
  double gradient_norm = 0;
  std::optional<double> evaluation_loss;  // mean over tokens, natural logarithm
  uint64_t evaluation_version = 0;
  uint32_t workers = 0;  // joined now
  uint64_t skipped = 0;
  std::string checkpoint_failure;  // of the latest attempt; empty: it was written
};

struct SessionOpened {
  std::string name;
  uint64_t incarnation = 0;
};
struct SessionClosed {
  std::string reason;
  bool refused = false;  // for good: other job, protocol or identity
};
using ControlEvent = std::variant<SessionOpened, SessionClosed, Progress, decide::OriginRequest,
                                  decide::RemoveRequest>;

struct ControlTls {
  // Who we are: asked anew for each session, since certificates end.
  std::function<Result<certificates::Identity>()> identity;
  std::string server_uri;  // what the other's certificate must say
};

struct ControlClientOptions {
  std::string name;  // of the server
  uint64_t incarnation = 0;
  std::string address;  // unix:/path or HOST:PORT
  std::string job_uid;
  std::optional<ControlTls> tls;
  std::function<void()> notify;
};

class ControlClient {
 public:
  explicit ControlClient(ControlClientOptions options);
  ~ControlClient();
  ControlClient(const ControlClient&) = delete;
  ControlClient& operator=(const ControlClient&) = delete;

  const ControlClientOptions& options() const;
  std::vector<ControlEvent> take();

  void send_appoint(const api::TrainingJob& job, const api::TrainingJobStatus& status);
  void send_members(const api::TrainingJobStatus& status);
  void send_origin(const api::TrainingJobStatus& status);
  void send_plan(const api::TrainingJob& job, const api::TrainingJobStatus& status);

 private:
  class Session;
  std::unique_ptr<Session> session_;
};

}  // namespace ballast::local
