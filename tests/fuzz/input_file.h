// A fuzzer's bytes as a file in memory, for readers that take a path. One object a file; any
// thread.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "common/check.h"
#include "common/checksum.h"

namespace ballast {

class InputFile {
 public:
  explicit InputFile(Bytes bytes) : fd_(::memfd_create("input", MFD_CLOEXEC)) {
    CHECK(fd_ >= 0);
    CHECK(::write(fd_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  ~InputFile() { ::close(fd_); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

}  // namespace ballast
