#include "common/log.h"

#include <unistd.h>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <type_traits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace ballast {
namespace {

std::string rfc3339(int64_t unix_time_ms) {
  const std::time_t seconds = static_cast<std::time_t>(unix_time_ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     unix_time_ms % 1000);
}

int64_t unix_time_now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

nlohmann::ordered_json to_json(const LogValue& value) {
  return std::visit([](const auto& held) { return nlohmann::ordered_json(held); }, value.get());
}

}  // namespace

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

Result<LogLevel> parse_log_level(std::string_view text) {
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}) {
    if (text == to_string(level)) return level;
  }
  return fail(ErrorCode::kInvalid,
              fmt::format("log level \"{}\": expected debug, info, warning or error", text));
}

LogValue::LogValue(const Error& error)
    : value_(fmt::format("{}: {}", to_string(error.code), error.message)) {}

std::string format_log_line(const LogRecord& record) {
  nlohmann::ordered_json line;
  line["time"] = rfc3339(record.unix_time_ms);
  line["level"] = to_string(record.level);
  line["message"] = record.message;
  for (const LogField& field : record.fields) line[field.key] = to_json(field.value);
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

void StderrLogSink::write(const LogRecord& record) {
  const std::string line = format_log_line(record) + "\n";
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // nobody listens: a log must not stop the program
    rest.remove_prefix(static_cast<size_t>(written));
  }
}

void CapturedLog::write(const LogRecord& record) {
  std::string line = format_log_line(record);
  const MutexLock lock(mutex_);
  lines_.push_back(std::move(line));
}

std::vector<std::string> CapturedLog::lines() const {
  const MutexLock lock(mutex_);
  return lines_;
}

Logger::Logger(std::shared_ptr<LogSink> sink, LogLevel minimum, Fields bound)
    : sink_(std::move(sink)), minimum_(minimum), bound_(bound) {}

Logger Logger::child(Fields bound) const {
  Logger logger = *this;
  logger.bound_.insert(logger.bound_.end(), bound);
  return logger;
}

void Logger::write(LogLevel level, LogMessage message, Fields fields) const {
  if (!enabled(level)) return;
  LogRecord record{.unix_time_ms = unix_time_now_ms(),
                   .level = level,
                   .message = message.text,
                   .fields = bound_};
  record.fields.insert(record.fields.end(), fields);
  sink_->write(record);
}

}  // namespace ballast
