#include "operator/cmd/record_writer.h"

#include <fstream>
#include <system_error>
#include <utility>

#include "common/file.h"
#include "operator/report/record.h"

namespace ballast::cmd {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMostReadBytes = 64u << 20;

// A line that was torn by the end of the process before must not take the next one with it.
void end_last_line(const fs::path& file) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  if (!stream || !stream.seekg(-1, std::ios::end)) return;  // none, or empty
  if (stream.get() == '\n') return;
  stream.clear();
  stream.seekp(0, std::ios::end);
  stream.put('\n');
}

}  // namespace

Result<std::unique_ptr<RecordWriter>> RecordWriter::open(const fs::path& folder,
                                                         const RecordLimits& limits) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return tl::unexpected(file_error(error.value(), "make the folder", folder));
  for (const char* name : {report::kEventsFile, report::kPointsFile}) end_last_line(folder / name);
  std::vector<report::Point> known;
  std::vector<std::string> problems;  // told when it is read for people
  const auto text = read_file(folder / report::kPointsFile, kMostReadBytes);
  if (text) known = report::read_points(*text, problems);
  return std::unique_ptr<RecordWriter>(new RecordWriter(folder, limits, std::move(known)));
}

RecordWriter::RecordWriter(fs::path folder, const RecordLimits& limits,
                           std::vector<report::Point> known)
    : folder_(std::move(folder)),
      limits_(limits),
      points_(limits.most_point_bytes, std::move(known)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

RecordWriter::~RecordWriter() { close(); }

void RecordWriter::close() {
  {
    const MutexLock lock(mutex_);
    thread_.request_stop();
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void RecordWriter::add(const nlohmann::json& event, int64_t unix_time_ms) {
  const MutexLock lock(mutex_);
  if (waiting_.size() >= limits_.most_waiting) {
    ++dropped_;
    ++lost_;
    return;
  }
  waiting_.push_back({event, unix_time_ms});
  wake_.notify_all();
}

void RecordWriter::run(const std::stop_token& stop) {
  for (;;) {
    std::deque<Waiting> taken;
    {
      const MutexLock lock(mutex_);
      while (waiting_.empty() && !stop.stop_requested()) wake_.wait(mutex_);
      taken.swap(waiting_);
      untold_ += std::exchange(dropped_, 0);
    }
    if (taken.empty()) break;
    for (const Waiting& waiting : taken) write(waiting);
  }
  write_points(points_.flush());
}

void RecordWriter::write(const Waiting& waiting) {
  if (waiting.event.value("event", "") == "progress") {
    const auto point = report::point_of_progress(waiting.event, waiting.unix_time_ms);
    if (point) write_points(points_.add(*point));
    return;
  }
  std::string text;
  if (untold_ > 0) {
    text = report::to_line({{"event", "notKept"}, {"lines", untold_}}, waiting.unix_time_ms) + "\n";
  }
  text += report::to_line(waiting.event, waiting.unix_time_ms) + "\n";
  write_event(text);
}

void RecordWriter::write_event(const std::string& text) {
  const fs::path file = folder_ / report::kEventsFile;
  std::error_code error;
  const auto bytes = fs::file_size(file, error);
  if (!error && bytes + text.size() > limits_.most_event_bytes)
    fs::rename(file, folder_ / report::kOlderEventsFile, error);
  if (append(file, text)) {
    untold_ = 0;
  } else {
    lose();
  }
}

void RecordWriter::write_points(const report::PointWrite& write) {
  if (write.text.empty()) return;
  const fs::path file = folder_ / report::kPointsFile;
  const bool written =
      write.anew ? write_file_atomically(file, write.text).has_value() : append(file, write.text);
  if (!written) lose();
}

void RecordWriter::lose() {
  ++untold_;
  const MutexLock lock(mutex_);
  ++lost_;
}

uint64_t RecordWriter::lost() const {
  const MutexLock lock(mutex_);
  return lost_;
}

bool RecordWriter::append(const fs::path& file, const std::string& text) {
  end_last_line(file);  // of which a full disk has kept a part
  std::ofstream out(file, std::ios::app | std::ios::binary);
  out << text;
  out.flush();
  return static_cast<bool>(out);
}

}  // namespace ballast::cmd
