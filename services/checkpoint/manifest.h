// The manifest of a checkpoint: what the checkpoint is, and which files with which checksums make
// it. It is a JSON file that opens with a checksum over itself, created last and exclusively: a
// directory with a manifest is a complete checkpoint, one without is nothing. Fields in
// docs/formats.md. Plain values.
#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "services/core/layout.h"
#include "services/core/types.h"
#include "services/storage/file_system.h"

namespace ballast {

inline constexpr std::string_view kManifestName = "manifest.json";
inline constexpr uint32_t kCheckpointVersion = 1;
inline constexpr uint64_t kMaxManifestBytes = 256u << 20;

struct CheckpointId {
  Step step = 0;  // the version of the parameters
  Term term = 0;
  uint32_t attempt = 0;

  auto operator<=>(const CheckpointId&) const = default;
};

std::string directory_name(const CheckpointId& id);  // "step-500-term-2-attempt-0"
Result<CheckpointId> parse_directory_name(
    std::string_view name);  // exactly what directory_name gives

// One server's file.
struct PartInfo {
  std::string file;  // a name in the checkpoint's directory
  uint64_t bytes = 0;
  std::string checksum;             // XXH3-128 of the file, 32 hexadecimal digits
  std::vector<SegmentId> segments;  // that it holds, ascending

  bool operator==(const PartInfo&) const = default;
};

// A file that is there for readers of the model: its vocabulary.
struct FileInfo {
  std::string file;  // a name in the checkpoint's directory
  uint64_t bytes = 0;
  std::string checksum;  // XXH3-128 of the file, 32 hexadecimal digits

  bool operator==(const FileInfo&) const = default;
};

struct Manifest {
  CheckpointId id;
  Origin origin = 0;
  std::string job_name;
  std::string job_uid;
  std::string job_config;  // JobConfig as protobuf JSON, for export and generate; may be empty
  uint64_t seed = 0;
  std::string data_fingerprint;
  std::string numerics_fingerprint;
  std::string optimizer;            // "adamw"
  std::vector<std::string> states;  // beside the parameters, e.g. first_moment, second_moment
  uint64_t applied_steps = 0;       // for the bias corrections
  uint32_t skipped_in_a_row = 0;
  uint32_t segment_elements = kDefaultSegmentElements;
  Layout layout;
  std::vector<FileInfo> tokenizer_files;  // none where the tokenizer's name says it all
  std::vector<PartInfo> parts;            // together they hold each segment exactly once

  bool operator==(const Manifest&) const = default;
};

// All that can be known to be wrong without the files: layout, names, each segment exactly once.
// kInvalid names the field.
Result<void> check_manifest(const Manifest& manifest);

// Last and exclusively: kAlreadyExists where the directory has a manifest. Whoever calls this has
// every part on disk under its name.
Result<void> write_manifest(FileSystem& files, const std::filesystem::path& directory,
                            const Manifest& manifest);

// kNotFound: the checkpoint is not complete. kCorrupt names the file and the field or byte.
Result<Manifest> read_manifest(const std::filesystem::path& directory);

}  // namespace ballast
