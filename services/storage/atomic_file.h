// A large file that appears under its name only when it is whole and on disk: it is written under a
// temporary name in the same folder, checksummed on the way, synced, renamed, and the folder
// synced. Whatever fails or is destroyed before that leaves the name as it was and removes the
// temporary; only a killed process leaves one (its name ends in kTemporarySuffix). One thread at a
// time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

#include "common/checksum.h"
#include "common/error.h"
#include "services/storage/file_system.h"

namespace ballast {

inline constexpr std::string_view kTemporarySuffix = ".partial";

class AtomicFile {
 public:
  enum class IfExists { kReplace, kFail };

  // The folder must exist. `files` must outlive the object.
  static Result<AtomicFile> create(FileSystem& files, std::filesystem::path path);

  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  Result<void> append(Bytes bytes);
  // For a header that is known last. checksum() does not see it.
  Result<void> overwrite(uint64_t offset, Bytes bytes);

  uint64_t bytes() const { return bytes_; }
  Checksum128 checksum() const { return checksum_.digest_128(); }  // of all that was appended

  // Gives the file its name. With kFail a taken name is kAlreadyExists and stays as it is. An error
  // after the rename (the sync of the folder) leaves the whole file under its name.
  Result<void> commit(IfExists if_exists);

 private:
  AtomicFile(FileSystem& files, std::filesystem::path path, std::filesystem::path temporary,
             std::unique_ptr<OutputFile> output);

  FileSystem* files_;
  std::filesystem::path path_;
  std::filesystem::path temporary_;  // empty once there is nothing to remove
  std::unique_ptr<OutputFile> output_;
  Xxh3 checksum_;
  uint64_t bytes_ = 0;
  bool broken_ = false;  // a call failed: the content is unknown, it never gets the name
};

}  // namespace ballast
