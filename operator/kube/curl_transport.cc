#include "operator/kube/curl_transport.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <curl/curl.h>

#include "common/certificate.h"
#include "common/check.h"
#include "common/file.h"
#include "common/mutex.h"
#include "operator/kube/wire_format.h"

namespace ballast::kube {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kMaxTokenBytes = 64 * 1024;
constexpr size_t kMaxFrameBytes = 16 * 1024 * 1024;
constexpr size_t kLengthBytes = 4;  // in front of a frame that is no line
// Of ten thousand pods in one answer there are 50 MB.
constexpr size_t kMaxBodyBytes = size_t{512} << 20;
constexpr auto kTokenLife = std::chrono::seconds(30);
// A stop wakes whoever waits; this is how often silence is looked at.
constexpr int kLookMs = 1'000;

using FrameSink = std::function<bool(std::string_view)>;

using Headers = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

// An answer while it comes.
struct Receiving {
  CURL* easy = nullptr;
  const FrameSink* frame = nullptr;  // of a stream
  Clock::time_point heard;
  std::string body;  // of a stream: the frame that is not complete yet
  bool enough = false;
  std::string trouble;

  bool is_stream() const {
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    return frame != nullptr && status == 200;
  }
  bool has_lengths() const {
    const char* type = nullptr;
    curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
    return type != nullptr && std::string_view(type).starts_with(kProtobufStream);
  }

  // False: nothing more is wanted.
  bool take(std::string_view bytes) {
    heard = Clock::now();
    if (!is_stream()) {
      body.append(bytes);
      if (body.size() > kMaxBodyBytes) trouble = "an answer that is too long";
      return trouble.empty();
    }
    if (has_lengths()) {
      take_frames(bytes);
    } else {
      take_lines(bytes);
    }
    return trouble.empty() && !enough;
  }

  void take_lines(std::string_view bytes) {
    for (size_t end = bytes.find('\n'); end != bytes.npos; end = bytes.find('\n')) {
      body.append(bytes.substr(0, end));
      bytes.remove_prefix(end + 1);
      enough = !give_line();
      if (enough) return;
    }
    body.append(bytes);
    if (body.size() > kMaxFrameBytes) trouble = "a line that is too long";
  }

  bool give_line() {
    const bool more = body.empty() || (*frame)(body);
    body.clear();
    return more;
  }

  void take_frames(std::string_view bytes) {
    body.append(bytes);
    std::string_view rest = body;
    while (rest.size() >= kLengthBytes && !enough) {
      size_t length = 0;
      for (const char byte : rest.substr(0, kLengthBytes))
        length = length << 8 | static_cast<uint8_t>(byte);
      if (length > kMaxFrameBytes) {
        trouble = "a frame that is too long";
        return;
      }
      if (rest.size() - kLengthBytes < length) break;
      enough = !(*frame)(rest.substr(kLengthBytes, length));
      rest.remove_prefix(kLengthBytes + length);
    }
    body.erase(0, body.size() - rest.size());
  }

  // After the last byte of a stream; false: it ended within a frame.
  bool end() {
    if (has_lengths()) return body.empty();
    give_line();  // one that ends with the stream
    return true;
  }
};

size_t on_body(char* bytes, size_t size, size_t count, void* receiving) {
  const size_t length = size * count;
  return static_cast<Receiving*>(receiving)->take({bytes, length}) ? length : 0;
}

size_t on_header(char*, size_t size, size_t count, void* receiving) {
  static_cast<Receiving*>(receiving)->heard = Clock::now();
  return size * count;
}

curl_blob blob_of(const std::string& text) {
  // The library only reads it.
  return {const_cast<char*>(text.data()), text.size(), CURL_BLOB_NOCOPY};
}

// "Retry-After: 3"; API servers name no dates.
std::optional<int64_t> retry_after_ms(CURL* easy) {
  constexpr curl_off_t kMostSeconds = 9'999;
  curl_off_t seconds = 0;
  curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds);
  if (seconds <= 0 || seconds > kMostSeconds) return std::nullopt;
  return seconds * 1000;
}

Result<void> check_credentials(const ClientConfig& config) {
  if (!config.ca_pem.empty()) {
    const auto facts = certificate_facts(config.ca_pem);
    if (!facts) return tl::unexpected(facts.error());
  }
  if (config.certificate_pem.empty()) return {};
  return check_key(config.certificate_pem, config.key_pem);
}

// Does one request at a time, and keeps what is connected for the next one.
class Connection {
 public:
  Connection()
      : easy_(curl_easy_init(), &curl_easy_cleanup),
        multi_(curl_multi_init(), &curl_multi_cleanup) {
    CHECK(easy_ != nullptr && multi_ != nullptr);
    curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, 1L);
  }

  // `frame`: the body of status 200 is given frame by frame.
  Result<HttpAnswer> perform(const ClientConfig& config, const HttpRequest& request,
                             const std::string& token, int64_t silent_ms, const FrameSink* frame,
                             const std::stop_token& stop) {
    Receiving receiving{easy_.get(), frame, Clock::now(), {}, false, {}};
    char reason[CURL_ERROR_SIZE] = "";
    const Headers headers = headers_of(request, token);
    const curl_blob authority = blob_of(config.ca_pem);
    const curl_blob certificate = blob_of(config.certificate_pem);
    const curl_blob key = blob_of(config.key_pem);
    const std::string url = config.server + request.path;
    curl_easy_reset(easy_.get());  // connections stay
    set(CURLOPT_ERRORBUFFER, reason);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_PROXY, "");
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_USERAGENT, "ballast");
    set(CURLOPT_HTTPHEADER, headers.get());
    set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    if (!request.body.empty()) {
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
      set(CURLOPT_POSTFIELDS, request.body.data());
    }
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (!config.ca_pem.empty()) {
      // This authority, and not those of the machine beside it.
      set(CURLOPT_CAPATH, nullptr);
      set(CURLOPT_CAINFO_BLOB, &authority);
    }
    if (!config.certificate_pem.empty()) {
      set(CURLOPT_SSLCERT_BLOB, &certificate);
      set(CURLOPT_SSLKEY_BLOB, &key);
    }
    set(CURLOPT_WRITEFUNCTION, on_body);
    set(CURLOPT_WRITEDATA, &receiving);
    set(CURLOPT_HEADERFUNCTION, on_header);
    set(CURLOPT_HEADERDATA, &receiving);
    const CURLcode code = transfer(receiving, silent_ms, stop);
    return answer_of(receiving, code, reason, stop);
  }

 private:
  template <typename T>
  void set(CURLoption option, T value) {
    CHECK(curl_easy_setopt(easy_.get(), option, value) == CURLE_OK);
  }

  static Headers headers_of(const HttpRequest& request, const std::string& token) {
    Headers headers(nullptr, &curl_slist_free_all);
    const auto add = [&](const std::string& header) {
      curl_slist* longer = curl_slist_append(headers.get(), header.c_str());
      CHECK(longer != nullptr);
      std::ignore = headers.release();
      headers.reset(longer);
    };
    add("Accept: " + request.accept);
    add("Expect:");  // no round of its own before a body
    if (!request.body.empty()) add("Content-Type: " + request.content_type);
    if (!token.empty()) add("Authorization: Bearer " + token);
    return headers;
  }

  CURLcode transfer(Receiving& receiving, int64_t silent_ms, const std::stop_token& stop) {
    CURLM* multi = multi_.get();
    CHECK(curl_multi_add_handle(multi, easy_.get()) == CURLM_OK);
    const std::stop_callback wake(stop, [multi] { curl_multi_wakeup(multi); });
    const auto silent = std::chrono::milliseconds(silent_ms);
    CURLcode code = CURLE_OPERATION_TIMEDOUT;
    while (!stop.stop_requested() && Clock::now() - receiving.heard < silent) {
      int running = 0;
      CHECK(curl_multi_perform(multi, &running) == CURLM_OK);
      int left = 0;
      const CURLMsg* message = curl_multi_info_read(multi, &left);
      if (message != nullptr && message->msg == CURLMSG_DONE) {
        code = message->data.result;
        break;
      }
      const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(
          receiving.heard + silent - Clock::now());
      const int wait_ms = static_cast<int>(std::clamp<int64_t>(rest.count(), 0, kLookMs));
      CHECK(curl_multi_poll(multi, nullptr, 0, wait_ms, nullptr) == CURLM_OK);
    }
    // What has not ended is closed by this.
    curl_multi_remove_handle(multi, easy_.get());
    return code;
  }

  Result<HttpAnswer> answer_of(Receiving& receiving, CURLcode code, const char* reason,
                               const std::stop_token& stop) const {
    long status = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
    if (receiving.enough) return HttpAnswer{static_cast<int>(status), "", std::nullopt};
    if (stop.stop_requested()) return fail(ErrorCode::kUnavailable, "stopped");
    if (!receiving.trouble.empty()) return fail(ErrorCode::kUnavailable, receiving.trouble);
    if (code == CURLE_OPERATION_TIMEDOUT) {
      return fail(ErrorCode::kTimeout, *reason != '\0' ? reason : "no answer in time");
    }
    if (code != CURLE_OK) {
      return fail(ErrorCode::kUnavailable, *reason != '\0' ? reason : curl_easy_strerror(code));
    }
    if (receiving.is_stream()) {
      if (!receiving.end()) return fail(ErrorCode::kUnavailable, "a stream that was cut");
      return HttpAnswer{static_cast<int>(status), "", std::nullopt};
    }
    return HttpAnswer{static_cast<int>(status), std::move(receiving.body),
                      retry_after_ms(easy_.get())};
  }

  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> easy_;
  std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)> multi_;
};

class CurlTransport : public HttpTransport {
 public:
  CurlTransport(ClientConfig config, const CurlOptions& options)
      : config_(std::move(config)), options_(options) {}

  Result<HttpAnswer> send(const HttpRequest& request, std::stop_token stop) override {
    return ask(request, options_.request_timeout_ms, nullptr, stop);
  }

  Result<HttpAnswer> stream(const HttpRequest& request, const FrameSink& frame,
                            std::stop_token stop) override {
    return ask(request, options_.silent_stream_ms, &frame, stop);
  }

 private:
  struct Idle {
    std::unique_ptr<Connection> connection;
    Clock::time_point since;
  };

  Result<HttpAnswer> ask(const HttpRequest& request, int64_t silent_ms, const FrameSink* frame,
                         const std::stop_token& stop) {
    if (stop.stop_requested()) return fail(ErrorCode::kUnavailable, "stopped");
    std::unique_ptr<Connection> connection = take();
    close_idle();
    auto answer = connection->perform(config_, request, current_token(), silent_ms, frame, stop);
    give_back(std::move(connection));
    if (answer) return answer;
    const std::string what = request.method + " " + request.path.substr(0, request.path.find('?'));
    return fail(answer.error().code, what + ": " + answer.error().message);
  }

  // The one that was used last: the others may be closed by the server meanwhile.
  std::unique_ptr<Connection> take() {
    const MutexLock lock(mutex_);
    if (idle_.empty()) return std::make_unique<Connection>();
    std::unique_ptr<Connection> connection = std::move(idle_.back().connection);
    idle_.pop_back();
    return connection;
  }

  // Those that were used least lately are in front.
  void close_idle() {
    std::vector<Idle> closed;  // after the lock: it takes time
    const MutexLock lock(mutex_);
    const auto since = Clock::now() - std::chrono::milliseconds(options_.idle_connection_ms);
    while (!idle_.empty() && idle_.front().since <= since) {
      closed.push_back(std::move(idle_.front()));
      idle_.pop_front();
    }
  }

  void give_back(std::unique_ptr<Connection> connection) {
    const MutexLock lock(mutex_);
    idle_.push_back({std::move(connection), Clock::now()});
  }

  // The file's newest content, read now and then: it is replaced while we run.
  std::string current_token() {
    if (config_.token_file.empty()) return config_.token;
    const MutexLock lock(mutex_);
    const auto now = Clock::now();
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
  const CurlOptions options_;
  Mutex mutex_;
  std::deque<Idle> idle_ BALLAST_GUARDED_BY(mutex_);
  std::string token_ BALLAST_GUARDED_BY(mutex_);
  Clock::time_point token_until_ BALLAST_GUARDED_BY(mutex_);
};

}  // namespace

Result<std::unique_ptr<HttpTransport>> make_curl_transport(const ClientConfig& config,
                                                           const CurlOptions& options) {
  static std::once_flag once;
  std::call_once(once, [] { CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); });
  // What cannot be read is told now, and not with the first request.
  if (const auto readable = check_credentials(config); !readable) {
    return fail(ErrorCode::kInvalid,
                "the connection to " + config.server + ": " + readable.error().message);
  }
  return std::make_unique<CurlTransport>(config, options);
}

}  // namespace ballast::kube
