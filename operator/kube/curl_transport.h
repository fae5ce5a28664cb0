// HttpTransport on libcurl, with TLS and client certificates; the only file that knows the library.
// Whoever asks does the work on its own thread: an answer waits for nobody else's turn, which on a
// machine that has no time left is most of how long it takes. Connections are kept for the next
// request, one for each that was under way at once, until nobody has needed them for a while. Any
// thread.
#pragma once

#include <memory>

#include "operator/kube/config.h"
#include "operator/kube/http.h"

namespace ballast::kube {

struct CurlOptions {
  // Without a byte of an answer for so long a request has failed.
  int64_t request_timeout_ms = 30'000;
  // The same of a stream: a server sends a bookmark every minute.
  int64_t silent_stream_ms = 90'000;
  // After so long without a request a connection is closed, with the next request that comes.
  int64_t idle_connection_ms = 60'000;
};

// kInvalid: a certificate or a key that cannot be read, or that do not belong together.
Result<std::unique_ptr<HttpTransport>> make_curl_transport(const ClientConfig& config,
                                                           const CurlOptions& options = {});

}  // namespace ballast::kube
