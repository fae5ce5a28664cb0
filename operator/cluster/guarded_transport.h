// An HttpTransport with what a controller needs around it: every request is counted and timed, all
// of them end when the controller does, nothing is written by a process that does not lead any
// more, and a server that asks for patience (429 and 503 with Retry-After) gets it before a write
// is sent again. Any thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "operator/kube/http.h"

namespace ballast::cluster {

// For so long at most a write waits at once, and so often.
inline constexpr int64_t kLongestRetryAfterMs = 10'000;
inline constexpr int kMostRetries = 8;

struct TransportGuards {
  // Whether writes may go out now; empty: always. It is asked at once before each.
  std::function<bool()> may_write;
  // After each request: its method, the status (0: no answer), the time that it took; a stream's
  // is how long somebody listened, and not told.
  std::function<void(const std::string& method, int status, std::optional<double> seconds)> done;
};

class GuardedTransport : public kube::HttpTransport {
 public:
  GuardedTransport(std::shared_ptr<kube::HttpTransport> inner, TransportGuards guards);

  Result<kube::HttpAnswer> send(const kube::HttpRequest& request, std::stop_token stop) override;
  Result<kube::HttpAnswer> stream(const kube::HttpRequest& request,
                                  const std::function<bool(std::string_view)>& frame,
                                  std::stop_token stop) override;

  // Ends what is in flight, and refuses all that follows.
  void stop() { stopped_.request_stop(); }

 private:
  // Ends with whoever stops first: the caller, or the owner of this.
  template <typename Ask>
  Result<kube::HttpAnswer> guarded(const kube::HttpRequest& request, const std::stop_token& stop,
                                   Ask ask);
  Result<kube::HttpAnswer> send_once(const kube::HttpRequest& request, const std::stop_token& stop);
  void tell(const kube::HttpRequest& request, const Result<kube::HttpAnswer>& answer,
            std::optional<double> seconds) const;

  const std::shared_ptr<kube::HttpTransport> inner_;
  const TransportGuards guards_;
  std::stop_source stopped_;
};

}  // namespace ballast::cluster
