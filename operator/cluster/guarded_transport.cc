#include "operator/cluster/guarded_transport.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <utility>

#include "common/mutex.h"

namespace ballast::cluster {
namespace {

// Reads are repeated by whoever follows a kind.
bool asks_for_patience(const kube::HttpRequest& request, const Result<kube::HttpAnswer>& answer) {
  return request.method != "GET" && answer && answer->retry_after_ms &&
         (answer->status == 429 || answer->status == 503);
}

// Whether nobody stopped it.
bool wait(int64_t ms, const std::stop_token& stop) {
  Mutex mutex;
  std::condition_variable_any never;
  const MutexLock lock(mutex);
  never.wait_for(mutex, stop, std::chrono::milliseconds(ms), [] { return false; });
  return !stop.stop_requested();
}

}  // namespace

GuardedTransport::GuardedTransport(std::shared_ptr<kube::HttpTransport> inner,
                                   TransportGuards guards)
    : inner_(std::move(inner)), guards_(std::move(guards)) {}

template <typename Ask>
Result<kube::HttpAnswer> GuardedTransport::guarded(const kube::HttpRequest& request,
                                                   const std::stop_token& stop, Ask ask) {
  if (request.method != "GET" && guards_.may_write && !guards_.may_write()) {
    return fail(ErrorCode::kUnavailable, "this process does not lead any more");
  }
  std::stop_source either;
  const auto end = [&either] { either.request_stop(); };
  const std::stop_callback by_caller(stop, end);
  const std::stop_callback by_owner(stopped_.get_token(), end);
  return ask(either.get_token());
}

void GuardedTransport::tell(const kube::HttpRequest& request,
                            const Result<kube::HttpAnswer>& answer,
                            std::optional<double> seconds) const {
  if (guards_.done) guards_.done(request.method, answer ? answer->status : 0, seconds);
}

Result<kube::HttpAnswer> GuardedTransport::send(const kube::HttpRequest& request,
                                                std::stop_token stop) {
  auto answer = send_once(request, stop);
  for (int retry = 0; retry < kMostRetries && asks_for_patience(request, answer); ++retry) {
    const int64_t wait_ms = std::min(*answer->retry_after_ms, kLongestRetryAfterMs);
    const auto waited =
        guarded(request, stop, [&](std::stop_token either) -> Result<kube::HttpAnswer> {
          if (!wait(wait_ms, either)) return fail(ErrorCode::kUnavailable, "stopped");
          return kube::HttpAnswer{};
        });
    if (!waited) return tl::unexpected(waited.error());
    answer = send_once(request, stop);
  }
  return answer;
}

Result<kube::HttpAnswer> GuardedTransport::send_once(const kube::HttpRequest& request,
                                                     const std::stop_token& stop) {
  return guarded(request, stop, [&](std::stop_token either) {
    const auto begin = std::chrono::steady_clock::now();
    auto answer = inner_->send(request, std::move(either));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    tell(request, answer, took.count());
    return answer;
  });
}

Result<kube::HttpAnswer> GuardedTransport::stream(
    const kube::HttpRequest& request, const std::function<bool(std::string_view)>& frame,
    std::stop_token stop) {
  return guarded(request, stop, [&](std::stop_token either) {
    auto answer = inner_->stream(request, frame, std::move(either));
    tell(request, answer, std::nullopt);
    return answer;
  });
}

}  // namespace ballast::cluster
