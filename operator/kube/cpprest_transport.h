// HttpTransport on cpprestsdk, with TLS and client certificates. The only file that knows the
// library: it is archived upstream, and Boost.Beast would be what to replace it with. Any thread.
#pragma once

#include <memory>

#include "operator/kube/config.h"
#include "operator/kube/http.h"

namespace ballast::kube {

struct CpprestOptions {
  int64_t request_timeout_ms = 30'000;
  // A server sends a bookmark every minute.
  int64_t silent_stream_ms = 90'000;
  int threads = 8;  // of the library; the first transport of a process decides
};

Result<std::unique_ptr<HttpTransport>> make_cpprest_transport(const ClientConfig& config,
                                                              const CpprestOptions& options = {});

}  // namespace ballast::kube
