// HTTP as the Kubernetes client needs it: the seam behind which a library, or a test, answers.
// Implementations may be used from any thread; calls block, and end early when stopped.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "common/error.h"

namespace ballast::kube {

struct HttpRequest {
  std::string method = "GET";
  std::string path;  // with query, encoded; begins with '/'
  std::string body;
  std::string content_type = "application/json";  // of the body
  std::string accept = "application/json";        // of the answer
};

struct HttpAnswer {
  int status = 0;
  std::string body;
  std::optional<int64_t> retry_after_ms;
};

class HttpTransport {
 public:
  virtual ~HttpTransport() = default;

  // An answer of whatever status; an error where there is none, or one that was cut. A request over
  // a kept connection that was closed may have been sent twice.
  virtual Result<HttpAnswer> send(const HttpRequest& request, std::stop_token stop) = 0;

  // As send(), but the body of status 200 is given frame by frame, on this thread, until it ends or
  // `frame` returns false: line by line, or where the answer is protobuf (kProtobufStream) by the
  // length in front of each. An error also when nothing came for longer than a living server is
  // silent, or where a frame with a length was cut.
  virtual Result<HttpAnswer> stream(const HttpRequest& request,
                                    const std::function<bool(std::string_view)>& frame,
                                    std::stop_token stop) = 0;
};

}  // namespace ballast::kube
