// One server's file of a checkpoint: segments with their parameters and optimizer states, as
// entries
// "<state>/<segment>" of a safetensors file ("parameters/17", "first_moment/17"). Written segment
// by segment, so that a server copies no more than one at a time. A writer belongs to one thread at
// a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "services/checkpoint/manifest.h"
#include "services/checkpoint/safetensors.h"
#include "services/core/layout.h"
#include "services/core/types.h"

namespace ballast {

inline constexpr std::string_view kParametersState = "parameters";

// What a part says of itself, so that one which strayed into another checkpoint is found.
struct PartHeader {
  CheckpointId id;
  Origin origin = 0;
  std::string job_uid;
  uint64_t layout_hash = 0;
  Segments segments;  // the arena and its cut

  bool operator==(const PartHeader&) const = default;
};

std::string entry_name(std::string_view state, SegmentId segment);  // "first_moment/17"
// "server-<index>-of-<count>.safetensors"
std::string part_file_name(uint32_t index, uint32_t count);

class PartWriter {
 public:
  // Makes `directory` where it does not exist. `held` ascends; `states` are those beside the
  // parameters. A file of that name is never replaced (kAlreadyExists).
  static Result<PartWriter> create(FileSystem& files, const std::filesystem::path& directory,
                                   const std::string& file, const PartHeader& header,
                                   std::span<const SegmentId> held,
                                   std::span<const std::string> states);

  // The next segment of `held`: its parameters, then each state, all of the segment's size
  // (CHECKed).
  Result<void> append(std::span<const std::span<const float>> arrays);
  // CHECKs that every segment came.
  Result<PartInfo> finish();

 private:
  PartWriter(SafetensorsWriter writer, PartInfo info, const Segments& segments, size_t arrays)
      : writer_(std::move(writer)), info_(std::move(info)), segments_(segments), arrays_(arrays) {}

  SafetensorsWriter writer_;
  PartInfo info_;
  Segments segments_;
  size_t arrays_;    // a segment
  size_t next_ = 0;  // index in info_.segments
};

struct SegmentArrays {
  SegmentId segment = 0;
  std::vector<std::span<const float>> arrays;  // parameters, then each state
};

// The whole part at once.
Result<PartInfo> write_part(FileSystem& files, const std::filesystem::path& directory,
                            const std::string& file, const PartHeader& header,
                            std::span<const std::string> states,
                            std::span<const SegmentArrays> segments);

// Opens a part and holds it against the manifest: size, checksum (with `verify`), header, entries.
// kUnavailable: told to stop before all of it was read.
Result<SafetensorsReader> open_part(const std::filesystem::path& directory,
                                    const Manifest& manifest, const PartInfo& part, bool verify,
                                    const std::stop_token& stop = {});

}  // namespace ballast
