#include "services/storage/mapped_file.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/file.h"

namespace ballast {
namespace {

Result<Bytes> map_descriptor(int fd, const std::filesystem::path& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return tl::unexpected<Error>(file_error(errno, "reading", path));
  if (!S_ISREG(info.st_mode)) {
    return fail(ErrorCode::kInvalid, fmt::format("reading {}: not a regular file", path.string()));
  }
  const auto size = static_cast<size_t>(info.st_size);
  if (size == 0) return Bytes{};  // mmap refuses a length of 0
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return tl::unexpected<Error>(file_error(errno, "mapping", path));
  return Bytes{static_cast<const std::byte*>(data), size};
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a FIFO that nobody writes would wait for ever.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return tl::unexpected<Error>(file_error(errno, "opening", path));
  auto bytes = map_descriptor(fd, path);
  ::close(fd);  // the mapping keeps the file
  if (!bytes) return tl::unexpected<Error>(std::move(bytes.error()));
  return MappedFile(bytes->data(), bytes->size());
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  // munmap takes no const; nothing is written through it.
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace ballast
