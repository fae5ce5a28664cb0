// The seam between what writes large files (checkpoints, token files) and the disk: every call that
// changes a folder or can fail in the middle. Reading is done by mapping, see mapped_file.h. The
// adapter for the machine is here; tests put a breaking one in its place.
// A FileSystem may be used from any thread, an OutputFile by one at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "common/checksum.h"
#include "common/error.h"

namespace ballast {

// A new file that grows. Destroying it closes it; what was not synced may be lost with the machine.
class OutputFile {
 public:
  virtual ~OutputFile() = default;

  // All of the bytes, or an error that leaves an unknown number of them written.
  virtual Result<void> append(Bytes bytes) = 0;
  // Replaces bytes that were appended before.
  virtual Result<void> overwrite(uint64_t offset, Bytes bytes) = 0;
  // Once it returns, content and size survive a power cut; the name only after sync_folder.
  virtual Result<void> sync() = 0;
};

// Errors name the path; the code says what can be done (see file_error in common/file.h).
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // kAlreadyExists where the name is taken.
  virtual Result<std::unique_ptr<OutputFile>> create(const std::filesystem::path& path) = 0;
  // Atomic; replaces `to`.
  virtual Result<void> rename(const std::filesystem::path& from,
                              const std::filesystem::path& to) = 0;
  // Atomic; kAlreadyExists where `to` is taken, whoever made it.
  virtual Result<void> rename_exclusive(const std::filesystem::path& from,
                                        const std::filesystem::path& to) = 0;
  virtual Result<void> remove(const std::filesystem::path& path) = 0;
  virtual Result<void> remove_empty_folder(const std::filesystem::path& path) = 0;
  // With its parents; the ones that exist are left as they are.
  virtual Result<void> make_folders(const std::filesystem::path& path) = 0;
  // Makes the names in a folder survive a power cut.
  virtual Result<void> sync_folder(const std::filesystem::path& path) = 0;
};

class RealFileSystem : public FileSystem {
 public:
  Result<std::unique_ptr<OutputFile>> create(const std::filesystem::path& path) override;
  Result<void> rename(const std::filesystem::path& from, const std::filesystem::path& to) override;
  Result<void> rename_exclusive(const std::filesystem::path& from,
                                const std::filesystem::path& to) override;
  Result<void> remove(const std::filesystem::path& path) override;
  Result<void> remove_empty_folder(const std::filesystem::path& path) override;
  Result<void> make_folders(const std::filesystem::path& path) override;
  Result<void> sync_folder(const std::filesystem::path& path) override;
};

}  // namespace ballast
