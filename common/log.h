// Structured logging for shells and programs (cores do not log: they return facts). A line is a
// constant message with key-values, written as one JSON object to the sink. Use these keys where
// they fit: job, pod, step, term, segment.
//
//   const Logger log(std::make_shared<StderrLogSink>(), LogLevel::kInfo, {{"pod", name}});  // in
//   main log.info("segment restored", {{"segment", 3}, {"step", step}}); const Logger for_job =
//   log.child({{"job", job}});
//
// There is no process-wide logger: main makes one, whoever needs it gets a copy (two words and the
// bound fields). A default-made Logger drops everything, which suits tests. The message must be a
// literal; what varies goes into fields. Logger and the sinks may be used from any thread.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/error.h"
#include "common/mutex.h"

namespace ballast {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };

// "debug", "info", "warning", "error"
std::string_view to_string(LogLevel level);
Result<LogLevel> parse_log_level(std::string_view text);

class LogValue {
 public:
  LogValue(bool value) : value_(value) {}
  LogValue(std::signed_integral auto value) : value_(static_cast<int64_t>(value)) {}
  LogValue(std::unsigned_integral auto value) : value_(static_cast<uint64_t>(value)) {}
  LogValue(std::floating_point auto value) : value_(static_cast<double>(value)) {}
  LogValue(std::string value) : value_(std::move(value)) {}
  LogValue(std::string_view value) : value_(std::string(value)) {}
  LogValue(const char* value) : value_(std::string(value)) {}
  LogValue(const Error& error);  // "unavailable: ps-0 did not answer within 5000 ms"

  using Variant = std::variant<bool, int64_t, uint64_t, double, std::string>;
  const Variant& get() const { return value_; }
  bool operator==(const LogValue&) const = default;

 private:
  Variant value_;
};

struct LogField {
  std::string key;
  LogValue value;
  bool operator==(const LogField&) const = default;
};

// Only literals convert: a message is searched for, so it does not vary.
struct LogMessage {
  consteval LogMessage(const char* literal) : text(literal) {}
  std::string_view text;
};

struct LogRecord {
  int64_t unix_time_ms = 0;
  LogLevel level = LogLevel::kInfo;
  std::string_view message;
  std::vector<LogField> fields;  // bound ones first
};

// One JSON object without a newline:
// {"time":"2026-01-31T12:00:00.123Z","level":"info","message":...}. Bytes that are no UTF-8 are
// replaced; a field that repeats a key wins over the earlier one.
std::string format_log_line(const LogRecord& record);

class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void write(const LogRecord& record) = 0;  // any thread
};

// One write(2) a line, so that lines of several processes on one pipe do not mix.
class StderrLogSink : public LogSink {
 public:
  void write(const LogRecord& record) override;
};

// Keeps the formatted lines, for tests.
class CapturedLog : public LogSink {
 public:
  void write(const LogRecord& record) override;
  std::vector<std::string> lines() const;

 private:
  mutable Mutex mutex_;
  std::vector<std::string> lines_ BALLAST_GUARDED_BY(mutex_);
};

class Logger {
 public:
  using Fields = std::initializer_list<LogField>;

  Logger() = default;
  explicit Logger(std::shared_ptr<LogSink> sink, LogLevel minimum = LogLevel::kInfo,
                  Fields bound = {});

  // The same sink and level with more fields on every line.
  Logger child(Fields bound) const;

  bool enabled(LogLevel level) const { return sink_ != nullptr && level >= minimum_; }
  void debug(LogMessage message, Fields fields = {}) const {
    write(LogLevel::kDebug, message, fields);
  }
  void info(LogMessage message, Fields fields = {}) const {
    write(LogLevel::kInfo, message, fields);
  }
  void warning(LogMessage message, Fields fields = {}) const {
    write(LogLevel::kWarning, message, fields);
  }
  void error(LogMessage message, Fields fields = {}) const {
    write(LogLevel::kError, message, fields);
  }

 private:
  void write(LogLevel level, LogMessage message, Fields fields) const;

  std::shared_ptr<LogSink> sink_;
  LogLevel minimum_ = LogLevel::kInfo;
  std::vector<LogField> bound_;
};

}  // namespace ballast
