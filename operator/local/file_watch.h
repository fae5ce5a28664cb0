// Tells when a file has other content: it was written to, or another took its name, as editors do.
// One thread.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "common/error.h"

namespace ballast::local {

class FileWatch {
 public:
  // The file as it is now is known.
  static Result<FileWatch> open(const std::filesystem::path& file, size_t max_bytes);
  ~FileWatch();
  FileWatch(FileWatch&& other) noexcept;
  FileWatch& operator=(FileWatch&&) = delete;

  int fd() const { return fd_; }  // readable when there may be news
  // The content, if it is another than before; an error, once, when it cannot be read.
  std::optional<Result<std::string>> take();

 private:
  FileWatch(std::filesystem::path file, size_t max_bytes, int fd);

  std::filesystem::path file_;
  size_t max_bytes_;
  int fd_;  // inotify, of the file's folder
  std::string content_;
  bool readable_ = true;
};

}  // namespace ballast::local
