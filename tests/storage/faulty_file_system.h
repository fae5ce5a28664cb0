// The disk, broken on purpose: works on a real folder, counts its calls, fails the chosen one, and
// takes back what was not synced when the power is cut. The faults that our writers promise to
// survive stand at FaultMode. One thread.
#pragma once

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/check.h"
#include "common/file.h"
#include "services/storage/file_system.h"

namespace ballast {

// Besides these: limit_space(), a disk that is full after so many bytes (the append is torn there),
// and cut_power(), after which contents are those of their last sync, names those of their
// folder's.
enum class FaultMode {
  kOnce,   // one call fails (an append is torn: half of its bytes are written), later ones work
  kCrash,  // one call fails and the process is dead: all later ones fail, nothing is cleaned up
  kCrashAfter,  // one call is performed, but its caller is dead before the answer
};

class FaultyFileSystem : public FileSystem {
 public:
  // One that never loses power.
  FaultyFileSystem() = default;
  // Keeps what power cuts bring back in `attic`, a folder on the same disk that nobody looks into.
  explicit FaultyFileSystem(std::filesystem::path attic) : attic_(std::move(attic)) {
    std::filesystem::remove_all(attic_);
    std::filesystem::create_directories(attic_);
  }

  void fail_call(uint64_t call, FaultMode mode) {
    fail_at_ = call;
    mode_ = mode;
  }
  void limit_space(uint64_t bytes) { space_bytes_ = bytes; }
  uint64_t calls() const { return calls_; }
  bool dead() const { return dead_; }

  void cut_power() {
    for (auto undo = undo_names_.rbegin(); undo != undo_names_.rend(); ++undo) undo->second();
    undo_names_.clear();
    for (const auto& [path, synced_bytes] : synced_bytes_) {
      std::error_code ignored;
      if (std::filesystem::is_regular_file(path, ignored)) {
        std::filesystem::resize_file(path, synced_bytes);
      }
    }
    dead_ = true;
  }

  Result<std::unique_ptr<OutputFile>> create(const std::filesystem::path& path) override {
    std::unique_ptr<OutputFile> file;
    auto done = call(path, [&]() -> Result<void> {
      auto made = real_.create(path);
      if (!made) return tl::unexpected<Error>(made.error());
      file = std::move(*made);
      synced_bytes_[path] = 0;
      return {};
    });
    if (!done) return tl::unexpected<Error>(done.error());
    return std::make_unique<File>(*this, path, std::move(file));
  }

  Result<void> rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    return call(to, [&] { return do_rename(from, to, false); });
  }
  Result<void> rename_exclusive(const std::filesystem::path& from,
                                const std::filesystem::path& to) override {
    return call(to, [&] { return do_rename(from, to, true); });
  }

  Result<void> remove(const std::filesystem::path& path) override {
    return call(path, [&]() -> Result<void> {
      if (attic_.empty()) return real_.remove(path);
      const auto kept = attic_ / std::to_string(kept_++);
      if (auto done = real_.rename(path, kept); !done) return done;
      undo_names_.emplace_back(path.parent_path(), [kept, path] {
        std::filesystem::create_directories(path.parent_path());
        std::filesystem::rename(kept, path);
      });
      return {};
    });
  }

  Result<void> remove_empty_folder(const std::filesystem::path& path) override {
    return call(path, [&] { return real_.remove_empty_folder(path); });
  }
  Result<void> make_folders(const std::filesystem::path& path) override {
    return call(path, [&] { return real_.make_folders(path); });
  }
  Result<void> sync_folder(const std::filesystem::path& path) override {
    return call(path, [&]() -> Result<void> {
      std::erase_if(undo_names_, [&](const auto& undo) { return undo.first == path; });
      return {};
    });
  }

 private:
  class File : public OutputFile {
   public:
    File(FaultyFileSystem& owner, std::filesystem::path path, std::unique_ptr<OutputFile> real)
        : owner_(owner), path_(std::move(path)), real_(std::move(real)) {}

    Result<void> append(Bytes bytes) override {
      Bytes fits = bytes;
      if (owner_.space_bytes_) {
        fits = bytes.first(std::min<uint64_t>(bytes.size(), *owner_.space_bytes_));
        *owner_.space_bytes_ -= fits.size();
      }
      return owner_.call(
          path_,
          [&]() -> Result<void> {
            if (auto done = write(fits); !done) return done;
            if (fits.size() < bytes.size()) return no_space(path_);
            return {};
          },
          [&] { std::ignore = write(fits.first(fits.size() / 2)); });
    }
    Result<void> overwrite(uint64_t offset, Bytes bytes) override {
      return owner_.call(
          path_, [&] { return real_->overwrite(offset, bytes); },
          [&] { std::ignore = real_->overwrite(offset, bytes.first(bytes.size() / 2)); });
    }
    Result<void> sync() override {
      return owner_.call(path_, [&]() -> Result<void> {
        owner_.synced_bytes_[path_] = bytes_;
        return {};  // the model of the disk is here: the real one need not be waited for
      });
    }

   private:
    Result<void> write(Bytes bytes) {
      bytes_ += bytes.size();
      return real_->append(bytes);
    }

    FaultyFileSystem& owner_;
    std::filesystem::path path_;
    std::unique_ptr<OutputFile> real_;
    uint64_t bytes_ = 0;
  };

  static Result<void> no_space(const std::filesystem::path& path) {
    return tl::unexpected<Error>(file_error(ENOSPC, "writing", path));
  }

  Result<void> call(
      const std::filesystem::path& path, const std::function<Result<void>()>& perform,
      const std::function<void()>& tear = [] {}) {
    if (dead_) return fail(ErrorCode::kInternal, "dead");
    const bool chosen = fail_at_ && calls_ == *fail_at_;
    ++calls_;
    if (!chosen) return perform();
    if (mode_ == FaultMode::kCrashAfter) {
      std::ignore = perform();
    } else {
      tear();
    }
    dead_ = mode_ != FaultMode::kOnce;
    return tl::unexpected<Error>(file_error(EIO, "breaking", path));
  }

  Result<void> do_rename(const std::filesystem::path& from, const std::filesystem::path& to,
                         bool exclusive) {
    std::optional<std::filesystem::path> replaced;
    if (!attic_.empty() && !exclusive && std::filesystem::exists(to)) {
      replaced = attic_ / std::to_string(kept_++);
      std::filesystem::create_hard_link(to, *replaced);
    }
    auto done = exclusive ? real_.rename_exclusive(from, to) : real_.rename(from, to);
    if (!done) return done;
    synced_bytes_[to] = std::exchange(synced_bytes_[from], 0);
    synced_bytes_.erase(from);
    undo_names_.emplace_back(to.parent_path(), [this, from, to, replaced] {
      std::filesystem::rename(to, from);
      synced_bytes_[from] = synced_bytes_[to];
      synced_bytes_.erase(to);
      if (replaced) std::filesystem::rename(*replaced, to);
    });
    return {};
  }

  RealFileSystem real_;
  std::filesystem::path attic_;
  std::optional<uint64_t> fail_at_;
  FaultMode mode_ = FaultMode::kOnce;
  std::optional<uint64_t> space_bytes_;
  uint64_t calls_ = 0;
  uint64_t kept_ = 0;
  bool dead_ = false;
  std::map<std::filesystem::path, uint64_t> synced_bytes_;  // of files made here, by present name
  // Folder and how to take a change of names back, in order; gone once the folder is synced.
  std::vector<std::pair<std::filesystem::path, std::function<void()>>> undo_names_;
};

}  // namespace ballast
