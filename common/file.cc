#include "common/file.h"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/descriptor.h"
#include "common/random_id.h"

namespace ballast {
namespace {

Result<void> write_all(int fd, std::string_view content, const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_errno("writing", path);
    content.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

Result<void> write_temporary(const std::filesystem::path& path, std::string_view content,
                             unsigned mode) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file.get() < 0) return fail_errno("creating", path);
  if (auto done = write_all(file.get(), content, path); !done) return done;
  if (::fchmod(file.get(), mode) != 0) return fail_errno("setting permissions of", path);
  if (::fsync(file.get()) != 0) return fail_errno("flushing", path);
  return {};
}

}  // namespace

Error file_error(int error_number, std::string_view what, const std::filesystem::path& path) {
  ErrorCode code = ErrorCode::kInternal;
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      code = ErrorCode::kNotFound;
      break;
    case EEXIST:
      code = ErrorCode::kAlreadyExists;
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      code = ErrorCode::kDenied;
      break;
    case EISDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case EINVAL:
      code = ErrorCode::kInvalid;
      break;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case EAGAIN:
      code = ErrorCode::kUnavailable;
      break;
    default:
      break;
  }
  return Error{code, fmt::format("{} {}: {}", what, path.string(),
                                 std::generic_category().message(error_number))};
}

tl::unexpected<Error> fail_errno(std::string_view what, const std::filesystem::path& path) {
  return tl::unexpected<Error>(file_error(errno, what, path));
}

Result<std::string> read_file(const std::filesystem::path& path, uint64_t limit_bytes) {
  // O_NONBLOCK: opening a FIFO that nobody writes would wait for ever.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return fail_errno("opening", path);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return fail_errno("reading", path);
  if (!S_ISREG(info.st_mode)) {
    return fail(ErrorCode::kInvalid, fmt::format("reading {}: not a regular file", path.string()));
  }
  // Files of /proc and /sys say that they have no bytes: read until the end, not up to the size.
  std::string content;
  char buffer[16384];
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("reading", path);
    if (got == 0) return content;
    content.append(buffer, static_cast<size_t>(got));
    if (content.size() > limit_bytes) {
      return fail(ErrorCode::kInvalid, fmt::format("reading {}: more than the limit of {} bytes",
                                                   path.string(), limit_bytes));
    }
  }
}

Result<void> write_file_atomically(const std::filesystem::path& path, std::string_view content,
                                   unsigned mode) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  const std::filesystem::path temporary =
      folder / fmt::format(".{}.{:016x}.tmp", path.filename().string(), random_id());
  auto done = write_temporary(temporary, content, mode);
  if (done && ::rename(temporary.c_str(), path.c_str()) != 0) {
    done = fail_errno("renaming a new file to", path);
  }
  if (!done) {
    ::unlink(temporary.c_str());
    return done;
  }
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0) return fail_errno("opening", folder);
  if (::fsync(directory.get()) != 0) return fail_errno("flushing", folder);
  return {};
}

}  // namespace ballast
