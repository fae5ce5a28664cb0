// Checkpoints as readers see them: which ones a folder has, and the segments of one, mapped. A
// checkpoint is the directory step-<t>-term-<term>-attempt-<a> with one file a server (part.h) and
// the manifest (manifest.h), which exists only when everything else does. How many servers wrote it
// does not matter to who restores it. A Checkpoint is immutable; any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "services/checkpoint/manifest.h"
#include "services/checkpoint/part.h"
#include "services/checkpoint/patience.h"
#include "services/checkpoint/safetensors.h"
#include "services/core/messages.h"
#include "services/storage/file_system.h"

namespace ballast {

struct CheckpointEntry {
  CheckpointId id;
  std::filesystem::path directory;
  bool complete = false;  // it has a manifest

  bool operator==(const CheckpointEntry&) const = default;
};

// Ascending by step, term, attempt; other names in the folder are left out. A folder that does not
// exist has none.
Result<std::vector<CheckpointEntry>> list_checkpoints(const std::filesystem::path& folder);

class Checkpoint {
 public:
  // Maps the parts that hold the wanted segments (all without `wanted`). `verify` compares their
  // checksums before anything is used. kNotFound: not complete. kCorrupt names the file and byte.
  // kUnavailable: told to stop.
  static Result<Checkpoint> open(const std::filesystem::path& directory, bool verify = true,
                                 std::optional<std::vector<SegmentId>> wanted = std::nullopt,
                                 const std::stop_token& stop = {});

  const Manifest& manifest() const { return manifest_; }
  Segments segments() const { return {manifest_.layout.elements, manifest_.segment_elements}; }

  // A segment's parameters (kParametersState) or one of manifest().states; valid as long as this
  // object lives. kNotFound for another state or a segment that was not wanted.
  Result<std::span<const float>> array(SegmentId segment, std::string_view state) const;

 private:
  explicit Checkpoint(Manifest manifest) : manifest_(std::move(manifest)) {}

  static constexpr uint32_t kNotOpen = UINT32_MAX;
  Manifest manifest_;
  std::vector<SafetensorsReader> parts_;  // the open ones
  std::vector<uint32_t> part_of_;         // segment -> index in parts_, or kNotOpen
};

// Reads all of a checkpoint and compares every checksum. That may take minutes: kUnavailable once
// told to stop.
Result<void> verify_checkpoint(const std::filesystem::path& directory,
                               const std::stop_token& stop = {});

// The newest checkpoint that is complete and whole. `passed_over` gets each newer complete one that
// is damaged. kNotFound where there is none; kUnavailable: told to stop. A newer one that cannot be
// read is an error as well: who goes on from an older one loses steps.
Result<CheckpointEntry> newest_whole_checkpoint(
    const std::filesystem::path& folder, std::vector<DamagedCheckpoint>* passed_over = nullptr,
    const std::stop_token& stop = {}, const Patience& patience = {});

// The arena's parameters, layout().elements values.
Result<std::vector<float>> read_parameters(const std::filesystem::path& directory);

// SHA-256, in hexadecimal, over the arena's parameters as little-endian fp32 in order, padding
// included: the same however the segments were spread over servers.
Result<std::string> parameters_sha256(const std::filesystem::path& directory);

// The manifest first, so that what is half deleted is no checkpoint. kInvalid where the directory's
// name is not a checkpoint's or a folder lies in it; then nothing is removed. kNotFound: it is not
// there.
Result<void> remove_checkpoint(FileSystem& files, const std::filesystem::path& directory);

}  // namespace ballast
