// The supervisor's session with one server, which it keeps open: appointments, members, origins and
// questions about checkpoints go out; questions, answers and progress come in. gRPC and its
// threads, which all clients of a process share, stay inside; what arrives waits in a queue until
// take(), which also calls again where that is due. One thread owns a client; `notify` is called
// from another when it should take(), and not for the end of a client that is let go.
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
#include "operator/local/control_events.h"

namespace ballast::local {

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
  // Questions about checkpoints: `directory` lies in `path`, which is spec.checkpoint.path.
  void send_verify(uint64_t term, const std::string& path, const std::string& directory);
  void send_delete(uint64_t term, const std::string& path, const std::string& directory);
  void send_find(uint64_t term, const api::TrainingJob& job);

 private:
  class Session;
  std::unique_ptr<Session> session_;
};

}  // namespace ballast::local
