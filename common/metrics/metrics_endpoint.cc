#include "common/metrics/metrics_endpoint.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <exception>
#include <iterator>
#include <semaphore>
#include <string_view>
#include <thread>
#include <utility>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <civetweb.h>
#include <fmt/format.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "common/address.h"
#include "common/mutex.h"

namespace ballast {
namespace {

struct Response {
  int status = 200;
  std::string body;
  const char* content_type = "text/plain; charset=utf-8";
  const char* more_headers = "";
};

const char* reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 503:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

Response check(const std::function<Result<void>()>& passes) {
  if (!passes) return {.body = "ok\n"};
  const Result<void> result = passes();
  if (result) return {.body = "ok\n"};
  return {.status = 503, .body = result.error().message + "\n"};
}

// The numeric form of a host, so that what is reported is what is listened at.
Result<std::string> resolve(const HostPort& listen) {
  if (listen.host.empty()) return std::string("0.0.0.0");
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(listen.host.c_str(), nullptr, &hints, &found);
  if (error != 0) {
    return fail(ErrorCode::kInvalid, fmt::format("listening at {}: host {}: {}", to_string(listen),
                                                 listen.host, gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  // Of several an IPv4 one: Debian's civetweb is built without IPv6.
  const addrinfo* chosen = found;
  while (chosen != nullptr && chosen->ai_family != AF_INET) chosen = chosen->ai_next;
  if (chosen == nullptr) chosen = found;
  std::array<char, NI_MAXHOST> numeric{};
  if (getnameinfo(chosen->ai_addr, chosen->ai_addrlen, numeric.data(), numeric.size(), nullptr, 0,
                  NI_NUMERICHOST) != 0) {
    return fail(ErrorCode::kInvalid,
                fmt::format("listening at {}: host has no numeric address", to_string(listen)));
  }
  return std::string(numeric.data());
}

// Connects and hangs up. Best effort: nobody waits for the outcome.
void touch(const std::string& numeric_address) {
  const auto parsed = parse_host_port(numeric_address);
  if (!parsed) return;
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(parsed->port);
  if (getaddrinfo(parsed->host.c_str(), port.c_str(), &hints, &found) != 0) return;
  const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd >= 0) {
    // Non-blocking: the handshake ends without us.
    [[maybe_unused]] const int begun = ::connect(fd, found->ai_addr, found->ai_addrlen);
    ::close(fd);
  }
  freeaddrinfo(found);
}

Error listen_error(const std::string& address, const std::string& details) {
  ErrorCode code = ErrorCode::kInternal;
  std::string why = details.empty() ? "the HTTP server did not start" : details;
  for (const auto& [number, mapped] :
       {std::pair{EADDRINUSE, ErrorCode::kAlreadyExists}, std::pair{EACCES, ErrorCode::kDenied},
        std::pair{EADDRNOTAVAIL, ErrorCode::kInvalid}}) {
    const std::string text = std::strerror(number);
    if (details.find(text) != details.npos) {
      code = mapped;
      why = text;
    }
  }
  return Error{code, fmt::format("listening at {} for metrics: {}", address, why)};
}

}  // namespace

struct MetricsEndpoint::Server {
  explicit Server(MetricsEndpointOptions given) : options(std::move(given)) {}
  ~Server() {
    if (context == nullptr) return;
    // The library's accepting thread looks at its stop flag every two seconds, or when somebody
    // connects: so we connect until it has seen the flag.
    std::binary_semaphore stopped(0);
    const std::jthread stopper([&] {
      mg_stop(context);
      stopped.release();
    });
    do {
      touch(address);
    } while (!stopped.try_acquire_for(std::chrono::milliseconds(10)));
  }

  Response answer(const mg_request_info& request) const {
    const std::string_view path = request.local_uri == nullptr ? "" : request.local_uri;
    if (request.request_method == nullptr || std::string_view(request.request_method) != "GET") {
      return {.status = 405, .body = "only GET is served\n", .more_headers = "Allow: GET\r\n"};
    }
    if (path == "/metrics") return metrics();
    if (path == "/healthz") return check(options.healthy);
    if (path == "/readyz") return check(options.ready);
    return {.status = 404, .body = "here are /metrics, /healthz and /readyz\n"};
  }

  Response metrics() const {
    std::vector<prometheus::MetricFamily> families;
    for (const auto& collectable : options.collectables) {
      auto more = collectable->Collect();
      families.insert(families.end(), std::make_move_iterator(more.begin()),
                      std::make_move_iterator(more.end()));
    }
    return {.body = prometheus::TextSerializer().Serialize(families),
            .content_type = "text/plain; version=0.0.4; charset=utf-8"};
  }

  static int on_request(mg_connection* connection) {
    const mg_request_info& request = *mg_get_request_info(connection);
    Response response;
    try {
      response = static_cast<const Server*>(request.user_data)->answer(request);
    } catch (const std::exception& error) {
      response = {.status = 500, .body = fmt::format("{}\n", error.what())};
    }
    const std::string message = fmt::format(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}Connection: close\r\n\r\n{}",
        response.status, reason(response.status), response.content_type, response.body.size(),
        response.more_headers, response.body);
    mg_write(connection, message.data(), message.size());
    return response.status;  // handled, whatever it is: no file is ever looked for
  }

  // The library's only word on why it could not listen. Later ones (a client that went away) are of
  // no use to anybody.
  static int on_message(const mg_connection* connection, const char* message) {
    auto* server = static_cast<Server*>(mg_get_user_data(mg_get_context(connection)));
    if (server == nullptr) return 1;
    const MutexLock lock(server->mutex);
    if (server->starting) server->trouble += fmt::format("{}; ", message);
    return 1;
  }

  Result<void> start() {
    const auto listen = parse_host_port(options.listen);
    if (!listen) return tl::unexpected(listen.error());
    const auto host = resolve(*listen);
    if (!host) return tl::unexpected(host.error());
    address = to_string(HostPort{*host, listen->port});

    mg_callbacks callbacks{};
    callbacks.begin_request = on_request;
    callbacks.log_message = on_message;
    const char* settings[] = {"listening_ports",
                              address.c_str(),
                              "num_threads",
                              "3",
                              "connection_queue",
                              "16",
                              "request_timeout_ms",
                              "5000",
                              "max_request_size",
                              "8192",
                              "enable_keep_alive",
                              "no",
                              "enable_directory_listing",
                              "no",
                              nullptr};
    mg_init_data init{
        .callbacks = &callbacks, .user_data = this, .configuration_options = settings};
    std::array<char, 256> text{};
    unsigned code = 0;
    mg_error_data error{.code = &code, .text = text.data(), .text_buffer_size = text.size()};
    context = mg_start2(&init, &error);
    const MutexLock lock(mutex);
    starting = false;
    if (context == nullptr) return tl::unexpected(listen_error(address, trouble + text.data()));
    mg_server_port port{};
    if (mg_get_server_ports(context, 1, &port) != 1) {
      return fail(ErrorCode::kInternal, fmt::format("listening at {}: no port", address));
    }
    address = to_string(HostPort{*host, static_cast<uint16_t>(port.port)});
    return {};
  }

  const MetricsEndpointOptions options;
  std::string address;  // constant once start() has returned
  mg_context* context = nullptr;
  Mutex mutex;
  bool starting BALLAST_GUARDED_BY(mutex) = true;
  std::string trouble BALLAST_GUARDED_BY(mutex);
};

Result<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::start(MetricsEndpointOptions options) {
  auto server = std::make_unique<Server>(std::move(options));
  if (auto started = server->start(); !started) return tl::unexpected(started.error());
  return std::unique_ptr<MetricsEndpoint>(new MetricsEndpoint(std::move(server)));
}

MetricsEndpoint::MetricsEndpoint(std::unique_ptr<Server> server) : server_(std::move(server)) {}
MetricsEndpoint::~MetricsEndpoint() = default;

const std::string& MetricsEndpoint::address() const { return server_->address; }

}  // namespace ballast
