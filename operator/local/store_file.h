// The authority of a local run: the job's status in one numbered file, replaced by rename, with one
// writer. A version that was read back after a write is the one that a power cut leaves, too. One
// thread; another process that opens the same folder is refused.
#pragma once

#include <filesystem>

#include "common/error.h"
#include "operator/api/status.h"

namespace ballast::local {

class StoreFile {
 public:
  // `<folder>/status.json`, locked by `<folder>/status.lock`. kConflict: another process holds it;
  // kCorrupt: what is there cannot be read.
  static Result<StoreFile> open(const std::filesystem::path& folder);
  ~StoreFile();
  StoreFile(StoreFile&& other) noexcept;
  StoreFile& operator=(StoreFile&&) = delete;

  const api::TrainingJobStatus& status() const { return status_; }

  // Writes `next` with the version expected_version + 1. kConflict: another version is there.
  Result<void> compare_and_swap(uint64_t expected_version, api::TrainingJobStatus next);

 private:
  StoreFile(std::filesystem::path file, int lock_fd) : file_(std::move(file)), lock_fd_(lock_fd) {}

  std::filesystem::path file_;
  int lock_fd_;
  api::TrainingJobStatus status_;
};

}  // namespace ballast::local
