#include "services/storage/atomic_file.h"

#include <utility>

#include <fmt/format.h>

#include "common/check.h"
#include "common/random_id.h"

namespace ballast {
namespace {

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

}  // namespace

Result<AtomicFile> AtomicFile::create(FileSystem& files, std::filesystem::path path) {
  // Drawn, so that two writers of one name (one of them paused for an hour) never share a
  // temporary.
  auto temporary = path;
  temporary += fmt::format(".{:016x}{}", random_id(), kTemporarySuffix);
  auto output = files.create(temporary);
  if (!output) return tl::unexpected<Error>(std::move(output.error()));
  return AtomicFile(files, std::move(path), std::move(temporary), std::move(*output));
}

AtomicFile::AtomicFile(FileSystem& files, std::filesystem::path path,
                       std::filesystem::path temporary, std::unique_ptr<OutputFile> output)
    : files_(&files),
      path_(std::move(path)),
      temporary_(std::move(temporary)),
      output_(std::move(output)) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : files_(other.files_),
      path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      output_(std::move(other.output_)),
      checksum_(std::move(other.checksum_)),
      bytes_(other.bytes_),
      broken_(other.broken_) {}

AtomicFile::~AtomicFile() {
  output_.reset();
  if (!temporary_.empty()) std::ignore = files_->remove(temporary_);
}

Result<void> AtomicFile::append(Bytes bytes) {
  CHECK(output_ != nullptr && !broken_);
  if (auto done = output_->append(bytes); !done) {
    broken_ = true;
    return done;
  }
  checksum_.update(bytes);
  bytes_ += bytes.size();
  return {};
}

Result<void> AtomicFile::overwrite(uint64_t offset, Bytes bytes) {
  CHECK(output_ != nullptr && !broken_);
  auto done = output_->overwrite(offset, bytes);
  if (!done) broken_ = true;
  return done;
}

Result<void> AtomicFile::commit(IfExists if_exists) {
  CHECK(output_ != nullptr && !broken_);
  auto done = output_->sync();
  output_.reset();
  if (!done) return done;
  done = if_exists == IfExists::kReplace ? files_->rename(temporary_, path_)
                                         : files_->rename_exclusive(temporary_, path_);
  if (!done) return done;
  temporary_.clear();
  return files_->sync_folder(folder_of(path_));
}

}  // namespace ballast
