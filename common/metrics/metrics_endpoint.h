// The read-only HTTP endpoint of every process: /metrics (Prometheus text), /healthz (is the
// process sound?), /readyz (does it do its work?). A failing check answers 503 with its message.
//
//   auto registry = std::make_shared<prometheus::Registry>();
//   auto endpoint = MetricsEndpoint::start({.listen = flags.metrics_listen,
//                                           .collectables = {registry,
//                                           process_metrics(build_info())}, .ready = [&] { return
//                                           server.ready(); }});
//   if (!endpoint) { log.error(...); return ExitCode::kUsage; }
//   (*endpoint)->address()  ->  "127.0.0.1:41231", for the ready-file
//
// GET only, small requests, few threads, one request a connection, a time limit on each: whoever
// reaches the port can slow down scraping, never training, and can change nothing. No TLS, nothing
// secret is served. The callbacks run on the endpoint's threads until the destructor returns.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <prometheus/collectable.h>

#include "common/error.h"

namespace ballast {

struct MetricsEndpointOptions {
  std::string listen;  // HOST:PORT; port 0 = any free one, empty host = all interfaces
  std::vector<std::shared_ptr<prometheus::Collectable>> collectables;  // kept alive, asked in order
  std::function<Result<void>()> healthy;                               // empty: always
  std::function<Result<void>()> ready;                                 // empty: always
};

class MetricsEndpoint {
 public:
  // Errors name the address: kInvalid (not HOST:PORT, or no such host), kAlreadyExists (taken),
  // kDenied (not allowed to listen there).
  static Result<std::unique_ptr<MetricsEndpoint>> start(MetricsEndpointOptions options);

  // Waits for requests in progress; at most a few seconds.
  ~MetricsEndpoint();
  MetricsEndpoint(const MetricsEndpoint&) = delete;
  MetricsEndpoint& operator=(const MetricsEndpoint&) = delete;

  // HOST:PORT it listens at, with the port that was chosen.
  const std::string& address() const;

 private:
  struct Server;
  explicit MetricsEndpoint(std::unique_ptr<Server> server);
  std::unique_ptr<Server> server_;
};

}  // namespace ballast
