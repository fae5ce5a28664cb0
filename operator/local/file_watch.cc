#include "operator/local/file_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "common/file.h"

namespace ballast::local {

FileWatch::FileWatch(std::filesystem::path file, size_t max_bytes, int fd)
    : file_(std::move(file)), max_bytes_(max_bytes), fd_(fd) {}

FileWatch::~FileWatch() {
  if (fd_ >= 0) ::close(fd_);
}

FileWatch::FileWatch(FileWatch&& other) noexcept
    : file_(std::move(other.file_)),
      max_bytes_(other.max_bytes_),
      fd_(std::exchange(other.fd_, -1)),
      content_(std::move(other.content_)),
      readable_(other.readable_) {}

Result<FileWatch> FileWatch::open(const std::filesystem::path& file, size_t max_bytes) {
  const int fd = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (fd < 0) return tl::unexpected(file_error(errno, "watch", file));
  FileWatch watch(std::filesystem::absolute(file), max_bytes, fd);
  const std::filesystem::path folder = watch.file_.parent_path();
  if (::inotify_add_watch(fd, folder.c_str(), IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE) < 0) {
    return tl::unexpected(file_error(errno, "watch", folder));
  }
  auto text = read_file(watch.file_, max_bytes);
  if (!text) return tl::unexpected(text.error());
  watch.content_ = std::move(*text);
  return watch;
}

std::optional<Result<std::string>> FileWatch::take() {
  alignas(inotify_event) char buffer[4096];
  bool named = false;
  for (ssize_t bytes = 0; (bytes = ::read(fd_, buffer, sizeof buffer)) > 0;) {
    for (ssize_t at = 0; at < bytes;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      named |=
          (event->mask & IN_Q_OVERFLOW) != 0 || (event->len > 0 && file_.filename() == event->name);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
  }
  if (!named) return std::nullopt;
  auto text = read_file(file_, max_bytes_);
  const bool was_readable = std::exchange(readable_, text.has_value());
  if (!text) return was_readable ? std::optional(std::move(text)) : std::nullopt;
  if (*text == content_) return std::nullopt;
  content_ = *text;
  return text;
}

}  // namespace ballast::local
