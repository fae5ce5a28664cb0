#include "operator/kube/cpprest_transport.h"

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include <cpprest/containerstream.h>
#include <cpprest/http_client.h>
#include <cpprest/rawptrstream.h>
#include <pplx/threadpool.h>
#include <boost/asio/ssl.hpp>

#include "common/file.h"
#include "common/mutex.h"

namespace ballast::kube {
namespace {

namespace http = web::http;

constexpr uint64_t kMaxTokenBytes = 64 * 1024;
constexpr size_t kMaxLineBytes = 16 * 1024 * 1024;
constexpr auto kTokenLife = std::chrono::seconds(30);

boost::asio::const_buffer buffer_of(const std::string& text) { return {text.data(), text.size()}; }

using TlsContext = boost::asio::ssl::context;

// Whom a configuration trusts that names an authority; nothing: whom this machine trusts.
std::shared_ptr<TlsContext> trust_of(const ClientConfig& config) {
  if (config.ca_pem.empty()) return nullptr;
  auto trusted = std::make_shared<TlsContext>(TlsContext::sslv23);
  trusted->add_certificate_authority(buffer_of(config.ca_pem));
  return trusted;
}

// The library has each connection read all that this machine trusts, half a megabyte: in its place
// comes what is trusted, once for all of them, and nobody else.
void set_up_tls(const ClientConfig& config, const std::shared_ptr<TlsContext>& trusted,
                TlsContext& context) {
  context.set_options(TlsContext::default_workarounds | TlsContext::no_tlsv1 |
                      TlsContext::no_tlsv1_1);
  if (trusted != nullptr) {
    SSL_CTX_set1_cert_store(context.native_handle(),
                            SSL_CTX_get_cert_store(trusted->native_handle()));
  }
  if (config.certificate_pem.empty()) return;
  context.use_certificate_chain(buffer_of(config.certificate_pem));
  context.use_private_key(buffer_of(config.key_pem), TlsContext::pem);
}

http::client::http_client client_of(const ClientConfig& config,
                                    const std::shared_ptr<TlsContext>& trusted, int64_t idle_ms) {
  http::client::http_client_config settings;
  // Of the library's timeouts this is the one there is: between two signs of life.
  settings.set_timeout(std::chrono::milliseconds(idle_ms));
  settings.set_ssl_context_callback(
      [config, trusted](TlsContext& context) { set_up_tls(config, trusted, context); });
  return {config.server, settings};
}

// "Retry-After: 3"; the form with a date is not used by API servers.
std::optional<int64_t> retry_after_ms(const http::http_response& response) {
  const auto found = response.headers().find("Retry-After");
  if (found == response.headers().end()) return std::nullopt;
  const std::string& text = found->second;
  if (text.empty() || text.size() > 4 || text.find_first_not_of("0123456789") != text.npos) {
    return std::nullopt;
  }
  return std::stoll(text) * 1000;
}

class CpprestTransport : public HttpTransport {
 public:
  CpprestTransport(const ClientConfig& config, const CpprestOptions& options)
      : config_(config),
        trusted_(trust_of(config)),
        requests_(client_of(config, trusted_, options.request_timeout_ms)),
        streams_(client_of(config, trusted_, options.silent_stream_ms)) {}

  Result<HttpAnswer> send(const HttpRequest& request, std::stop_token stop) override {
    return guarded(request, stop, [&](const pplx::cancellation_token& token) {
      const http::http_response response = requests_.request(message(request), token).get();
      return whole(response);
    });
  }

  Result<HttpAnswer> stream(const HttpRequest& request,
                            const std::function<bool(std::string_view)>& line,
                            std::stop_token stop) override {
    pplx::cancellation_token_source enough;
    return guarded(request, stop, [&](const pplx::cancellation_token& token) {
      const auto cancel = token.register_callback([&enough] { enough.cancel(); });
      const http::http_response response =
          streams_.request(message(request), enough.get_token()).get();
      if (response.status_code() != http::status_codes::OK) return whole(response);
      read_lines(response, line);
      token.deregister_callback(cancel);
      enough.cancel();  // what is still to come is not waited for
      return HttpAnswer{response.status_code(), "", std::nullopt};
    });
  }

 private:
  template <typename Work>
  Result<HttpAnswer> guarded(const HttpRequest& request, const std::stop_token& stop, Work work) {
    if (stop.stop_requested()) return fail(ErrorCode::kUnavailable, "stopped");
    pplx::cancellation_token_source source;
    const std::stop_callback on_stop(stop, [&source] { source.cancel(); });
    const std::string what = request.method + " " + request.path.substr(0, request.path.find('?'));
    try {
      return work(source.get_token());
    } catch (const pplx::task_canceled&) {
      return fail(ErrorCode::kUnavailable, what + ": stopped");
    } catch (const http::http_exception& error) {
      const bool late = error.error_code() == std::errc::timed_out;
      return fail(late ? ErrorCode::kTimeout : ErrorCode::kUnavailable, what + ": " + error.what());
    } catch (const std::exception& error) {
      return fail(ErrorCode::kUnavailable, what + ": " + error.what());
    }
  }

  http::http_request message(const HttpRequest& request) {
    http::http_request out(request.method);
    out.set_request_uri(web::uri(request.path));
    out.headers().add("Accept", "application/json");
    if (const std::string token = current_token(); !token.empty()) {
      out.headers().add("Authorization", "Bearer " + token);
    }
    if (!request.body.empty()) out.set_body(request.body, request.content_type);
    return out;
  }

  static HttpAnswer whole(const http::http_response& response) {
    return {response.status_code(), response.extract_utf8string(true).get(),
            retry_after_ms(response)};
  }

  static void read_lines(const http::http_response& response,
                         const std::function<bool(std::string_view)>& line) {
    const concurrency::streams::istream body = response.body();
    for (;;) {
      concurrency::streams::container_buffer<std::string> buffer;
      const size_t bytes = body.read_line(buffer).get();
      const std::string& text = buffer.collection();
      if (text.size() > kMaxLineBytes) throw std::runtime_error("a line that is too long");
      if (!text.empty() && !line(text)) return;
      if (bytes == 0 && body.is_eof()) return;
    }
  }

  // The file's newest content, read now and then: it is replaced while we run.
  std::string current_token() {
    if (config_.token_file.empty()) return config_.token;
    const MutexLock lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (token_.empty() || now >= token_until_) {
      if (auto text = read_file(config_.token_file, kMaxTokenBytes)) {
        while (!text->empty() && (text->back() == '\n' || text->back() == ' ')) text->pop_back();
        token_ = std::move(*text);
        token_until_ = now + kTokenLife;
      }
    }
    return token_;
  }

  const ClientConfig config_;
  const std::shared_ptr<TlsContext> trusted_;
  http::client::http_client requests_;
  http::client::http_client streams_;
  Mutex mutex_;
  std::string token_ BALLAST_GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point token_until_ BALLAST_GUARDED_BY(mutex_);
};

}  // namespace

Result<std::unique_ptr<HttpTransport>> make_cpprest_transport(const ClientConfig& config,
                                                              const CpprestOptions& options) {
  static std::once_flag once;
  try {
    std::call_once(once, [&] {
      crossplat::threadpool::initialize_with_threads(static_cast<size_t>(options.threads));
    });
    // Certificates and keys that cannot be read are told now, and not with the first request.
    TlsContext probe(TlsContext::sslv23);
    set_up_tls(config, trust_of(config), probe);
    return std::make_unique<CpprestTransport>(config, options);
  } catch (const std::exception& error) {
    return fail(ErrorCode::kInvalid, "the connection to " + config.server + ": " + error.what());
  }
}

}  // namespace ballast::kube
