// A regular file mapped for reading. The mapping follows the file, not the name: replacing the file
// by rename leaves it whole. Shrinking the file in place under a mapping ends the process with
// SIGBUS, as everywhere; our own files are never changed in place. Immutable; any thread.
#pragma once

#include <cstddef>
#include <filesystem>

#include "common/checksum.h"
#include "common/error.h"

namespace ballast {

class MappedFile {
 public:
  // Errors name the path: kNotFound, kDenied, kInvalid (no regular file).
  static Result<MappedFile> open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  Bytes bytes() const { return {data_, size_}; }

 private:
  MappedFile(const std::byte* data, size_t size) : data_(data), size_(size) {}

  const std::byte* data_ = nullptr;  // page-aligned; null for an empty file
  size_t size_ = 0;
};

}  // namespace ballast
