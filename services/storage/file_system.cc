#include "services/storage/file_system.h"

#include <cerrno>
#include <cstdio>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/check.h"
#include "common/file.h"

namespace ballast {
namespace {

using std::filesystem::path;

class RealOutputFile : public OutputFile {
 public:
  RealOutputFile(int fd, path name) : fd_(fd), name_(std::move(name)) {}
  ~RealOutputFile() override { ::close(fd_); }

  Result<void> append(Bytes bytes) override {
    auto done = write_at(bytes_, bytes);
    if (done) bytes_ += bytes.size();
    return done;
  }

  Result<void> overwrite(uint64_t offset, Bytes bytes) override {
    CHECK(offset + bytes.size() <= bytes_);
    return write_at(offset, bytes);
  }

  Result<void> sync() override {
    if (::fsync(fd_) != 0) return fail_errno("flushing", name_);
    return {};
  }

 private:
  Result<void> write_at(uint64_t offset, Bytes bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return fail_errno("writing", name_);
      bytes = bytes.subspan(static_cast<size_t>(written));
      offset += static_cast<uint64_t>(written);
    }
    return {};
  }

  int fd_;
  path name_;
  uint64_t bytes_ = 0;
};

Result<void> sync_one_folder(const path& name) {
  const int fd = ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fail_errno("opening", name);
  // Some network file systems know no sync of folders and say EINVAL; their names are safe already.
  const bool done = ::fsync(fd) == 0 || errno == EINVAL;
  const int error_number = errno;
  ::close(fd);
  if (!done) return tl::unexpected<Error>(file_error(error_number, "flushing", name));
  return {};
}

path parent_of(const path& name) { return name.has_parent_path() ? name.parent_path() : path("."); }

}  // namespace

Result<std::unique_ptr<OutputFile>> RealFileSystem::create(const path& name) {
  const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return fail_errno("creating", name);
  return std::make_unique<RealOutputFile>(fd, name);
}

Result<void> RealFileSystem::rename(const path& from, const path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return fail_errno("renaming a new file to", to);
  return {};
}

Result<void> RealFileSystem::rename_exclusive(const path& from, const path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno != EINVAL && errno != ENOSYS) return fail_errno("renaming a new file to", to);
  // A file system without that kind of rename (NFS): a hard link is as exclusive.
  if (::link(from.c_str(), to.c_str()) != 0) return fail_errno("renaming a new file to", to);
  ::unlink(from.c_str());
  return {};
}

Result<void> RealFileSystem::remove(const path& name) {
  if (::unlink(name.c_str()) != 0) return fail_errno("removing", name);
  return {};
}

Result<void> RealFileSystem::remove_empty_folder(const path& name) {
  if (::rmdir(name.c_str()) != 0) return fail_errno("removing", name);
  return {};
}

Result<void> RealFileSystem::make_folders(const path& name) {
  if (name.empty()) return {};
  struct stat info {};
  if (::stat(name.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return {};
    errno = ENOTDIR;
    return fail_errno("making folder", name);
  }
  if (errno != ENOENT) return fail_errno("making folder", name);
  const path clean = name.has_filename() ? name : name.parent_path();
  if (clean != name) return make_folders(clean);  // "a/b/" is "a/b"
  if (auto done = make_folders(parent_of(clean) == "." ? path() : parent_of(clean)); !done) {
    return done;
  }
  // Another process may be faster; that is as good.
  if (::mkdir(clean.c_str(), 0755) != 0 && errno != EEXIST)
    return fail_errno("making folder", name);
  return sync_one_folder(parent_of(clean));
}

Result<void> RealFileSystem::sync_folder(const path& name) { return sync_one_folder(name); }

}  // namespace ballast
