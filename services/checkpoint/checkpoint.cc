#include "services/checkpoint/checkpoint.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/checksum.h"
#include "common/file.h"
#include "services/checkpoint/small_file.h"

namespace ballast {
namespace {

using std::filesystem::path;

tl::unexpected<Error> listing_failed(const std::error_code& error, const path& folder) {
  return tl::unexpected<Error>(file_error(error.value(), "reading folder", folder));
}

Result<std::vector<path>> list_folder(const path& folder) {
  std::vector<path> found;
  std::error_code error;
  auto entry = std::filesystem::directory_iterator(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    found.push_back(entry->path());
  }
  if (error) return listing_failed(error, folder);
  std::sort(found.begin(), found.end());
  return found;
}

// Whoever cannot look must not say that nothing is there: what has no manifest is deleted.
bool hides_something(const std::error_code& error) {
  return error && error != std::errc::no_such_file_or_directory &&
         error != std::errc::not_a_directory;
}

}  // namespace

Result<std::vector<CheckpointEntry>> list_checkpoints(const path& folder) {
  const auto names = list_folder(folder);
  if (!names && names.error().code == ErrorCode::kNotFound) return std::vector<CheckpointEntry>{};
  if (!names) return tl::unexpected<Error>(names.error());
  std::vector<CheckpointEntry> entries;
  for (const auto& directory : *names) {
    const auto id = parse_directory_name(directory.filename().string());
    if (!id) continue;
    std::error_code error;
    const bool is_folder = std::filesystem::is_directory(directory, error);
    if (hides_something(error)) return listing_failed(error, directory);
    if (!is_folder) continue;
    const path manifest = directory / kManifestName;
    const bool complete = std::filesystem::is_regular_file(manifest, error);
    if (hides_something(error)) return listing_failed(error, manifest);
    entries.push_back({*id, directory, complete});
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& left, const auto& right) { return left.id < right.id; });
  return entries;
}

Result<Checkpoint> Checkpoint::open(const path& directory, bool verify,
                                    std::optional<std::vector<SegmentId>> wanted,
                                    const std::stop_token& stop) {
  auto manifest = read_manifest(directory);
  if (!manifest) return tl::unexpected<Error>(std::move(manifest.error()));
  Checkpoint checkpoint(std::move(*manifest));
  const uint32_t count = checkpoint.segments().count();
  std::vector<bool> opens(count, !wanted.has_value());
  for (const SegmentId segment : wanted.value_or(std::vector<SegmentId>{})) {
    if (segment >= count) {
      return fail(ErrorCode::kNotFound, fmt::format("checkpoint {} has {} segments, {} is none",
                                                    directory.string(), count, segment));
    }
    opens[segment] = true;
  }
  checkpoint.part_of_.assign(count, kNotOpen);
  for (const PartInfo& part : checkpoint.manifest_.parts) {
    const bool needed = std::any_of(part.segments.begin(), part.segments.end(),
                                    [&](SegmentId segment) { return opens[segment]; });
    if (!needed && wanted) continue;  // with everything wanted, an empty part is checked too
    auto reader = open_part(directory, checkpoint.manifest_, part, verify, stop);
    if (!reader) return tl::unexpected<Error>(std::move(reader.error()));
    for (const SegmentId segment : part.segments) {
      checkpoint.part_of_[segment] = static_cast<uint32_t>(checkpoint.parts_.size());
    }
    checkpoint.parts_.push_back(std::move(*reader));
  }
  for (const FileInfo& file : checkpoint.manifest_.tokenizer_files) {
    if (!verify) break;
    if (auto content = read_small_file(directory, file); !content) {
      return tl::unexpected<Error>(std::move(content.error()));
    }
  }
  return checkpoint;
}

Result<std::span<const float>> Checkpoint::array(SegmentId segment, std::string_view state) const {
  if (segment >= part_of_.size() || part_of_[segment] == kNotOpen) {
    return fail(ErrorCode::kNotFound, fmt::format("segment {} was not opened", segment));
  }
  return parts_[part_of_[segment]].floats(entry_name(state, segment));
}

Result<void> verify_checkpoint(const path& directory, const std::stop_token& stop) {
  const auto checkpoint = Checkpoint::open(directory, true, std::nullopt, stop);
  if (!checkpoint) return tl::unexpected<Error>(checkpoint.error());
  return {};
}

Result<CheckpointEntry> newest_whole_checkpoint(const path& folder,
                                                std::vector<DamagedCheckpoint>* passed_over,
                                                const std::stop_token& stop,
                                                const Patience& patience) {
  const auto entries = list_checkpoints(folder);
  if (!entries) return tl::unexpected<Error>(entries.error());
  for (auto entry = entries->rbegin(); entry != entries->rend(); ++entry) {
    if (!entry->complete) continue;
    const auto whole = verify_patiently(entry->directory, patience, stop);
    if (whole) return *entry;
    if (stop.stop_requested() || !is_damage(whole.error())) {
      return tl::unexpected<Error>(whole.error());
    }
    if (passed_over != nullptr) {
      passed_over->push_back({entry->directory.string(), whole.error().message});
    }
  }
  return fail(ErrorCode::kNotFound, fmt::format("no complete checkpoint in {}", folder.string()));
}

Result<std::vector<float>> read_parameters(const path& directory) {
  const auto checkpoint = Checkpoint::open(directory);
  if (!checkpoint) return tl::unexpected<Error>(checkpoint.error());
  std::vector<float> arena;
  arena.reserve(checkpoint->segments().elements);
  for (SegmentId segment = 0; segment < checkpoint->segments().count(); ++segment) {
    const auto values = checkpoint->array(segment, kParametersState);
    if (!values) return tl::unexpected<Error>(values.error());
    arena.insert(arena.end(), values->begin(), values->end());
  }
  return arena;
}

Result<std::string> parameters_sha256(const path& directory) {
  const auto checkpoint = Checkpoint::open(directory);
  if (!checkpoint) return tl::unexpected<Error>(checkpoint.error());
  Sha256 hash;
  for (SegmentId segment = 0; segment < checkpoint->segments().count(); ++segment) {
    const auto values = checkpoint->array(segment, kParametersState);
    if (!values) return tl::unexpected<Error>(values.error());
    hash.update(std::as_bytes(*values));
  }
  return to_hex(hash.digest());
}

Result<void> remove_checkpoint(FileSystem& files, const path& directory) {
  if (auto id = parse_directory_name(directory.filename().string()); !id) {
    return tl::unexpected<Error>(std::move(id.error()));
  }
  const auto names = list_folder(directory);
  if (!names) return tl::unexpected<Error>(names.error());
  for (const auto& name : *names) {
    std::error_code ignored;
    if (std::filesystem::is_directory(std::filesystem::symlink_status(name, ignored))) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("{} holds a folder, {}: no checkpoint has one, nothing was removed",
                              directory.string(), name.filename().string()));
    }
  }
  const auto manifest = directory / kManifestName;
  if (std::find(names->begin(), names->end(), manifest) != names->end()) {
    // On disk before any part goes: after a power cut there is no manifest without its parts.
    if (auto done = files.remove(manifest); !done) return done;
    if (auto done = files.sync_folder(directory); !done) return done;
  }
  for (const auto& name : *names) {
    if (name == manifest) continue;
    if (auto done = files.remove(name); !done) return done;
  }
  return files.remove_empty_folder(directory);
}

}  // namespace ballast
