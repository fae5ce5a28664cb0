#include "operator/local/store_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "common/file.h"
#include "operator/api/status_json.h"

namespace ballast::local {
namespace {

constexpr uint64_t kMaxStoreBytes = 16u << 20;

}  // namespace

Result<StoreFile> StoreFile::open(const std::filesystem::path& folder) {
  const std::filesystem::path lock = folder / "status.lock";
  const int fd = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return tl::unexpected(file_error(errno, "open", lock));
  StoreFile store(folder / "status.json", fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    return fail(ErrorCode::kConflict,
                "another process runs in " + folder.string() + ": it holds " + lock.string());
  }
  auto text = read_file(store.file_, kMaxStoreBytes);
  if (!text && text.error().code == ErrorCode::kNotFound) return store;
  if (!text) return tl::unexpected(text.error());
  auto status = api::status_from_json(*text);
  if (!status)
    return fail(status.error().code, store.file_.string() + ": " + status.error().message);
  store.status_ = std::move(*status);
  return store;
}

StoreFile::~StoreFile() {
  if (lock_fd_ >= 0) ::close(lock_fd_);
}

StoreFile::StoreFile(StoreFile&& other) noexcept
    : file_(std::move(other.file_)),
      lock_fd_(std::exchange(other.lock_fd_, -1)),
      status_(std::move(other.status_)) {}

Result<void> StoreFile::compare_and_swap(uint64_t expected_version, api::TrainingJobStatus next) {
  if (expected_version != status_.version) {
    return fail(ErrorCode::kConflict, "the status has version " + std::to_string(status_.version) +
                                          "; expected " + std::to_string(expected_version));
  }
  next.version = expected_version + 1;
  auto written = write_file_atomically(file_, api::status_to_json(next), 0600);
  if (written) status_ = std::move(next);
  return written;
}

}  // namespace ballast::local
