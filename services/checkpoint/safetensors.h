// The safetensors format: eight bytes of header length, a JSON header that names tensors with
// dtype, shape and byte range, then the data. Written in one pass (the header follows from the
// shapes), read through a mapping. Nothing in a file is believed: length, nesting, names, types,
// shapes and ranges are checked, and the ranges must cover the data without a hole or an overlap.
// A reader is immutable, any thread; a writer belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/checksum.h"
#include "common/error.h"
#include "services/storage/atomic_file.h"
#include "services/storage/mapped_file.h"

namespace ballast {

inline constexpr uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;
inline constexpr uint64_t kSafetensorsLengthBytes = 8;
inline constexpr std::string_view kSafetensorsMetadata = "__metadata__";

enum class DType : uint8_t {
  kBool,
  kU8,
  kI8,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kI64,
  kU64,
  kF64
};

std::string_view to_string(DType dtype);  // "F32", as in the file
std::optional<DType> parse_dtype(std::string_view name);
uint64_t size_bytes(DType dtype);

struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<uint64_t> shape;  // row-major; empty for a single value

  bool operator==(const SafetensorsEntry&) const = default;
};

// Bytes of an entry's data; nothing where 64 bits cannot count them.
std::optional<uint64_t> data_bytes(const SafetensorsEntry& entry);

using SafetensorsMetadata = std::map<std::string, std::string>;

class SafetensorsReader {
 public:
  // kCorrupt names the file, the entry and what is wrong.
  static Result<SafetensorsReader> open(const std::filesystem::path& path);

  const std::vector<SafetensorsEntry>& entries() const { return entries_; }  // ascending by name
  const SafetensorsMetadata& metadata() const { return metadata_; }
  Bytes file_bytes() const { return file_.bytes(); }

  // kNotFound where there is no such entry. Little-endian values, aligned as the writer aligned
  // them.
  Result<Bytes> data(std::string_view name) const;
  // kInvalid where the entry is no F32 or lies misaligned for float.
  Result<std::span<const float>> floats(std::string_view name) const;

 private:
  struct Range {
    uint64_t begin = 0;  // bytes from the start of the file
    uint64_t end = 0;
  };
  SafetensorsReader(MappedFile file, std::filesystem::path path);
  Result<void> parse();
  Result<size_t> find(std::string_view name) const;

  MappedFile file_;
  std::filesystem::path path_;
  std::vector<SafetensorsEntry> entries_;
  std::vector<Range> ranges_;  // of entries_
  SafetensorsMetadata metadata_;
};

class SafetensorsWriter {
 public:
  // Writes the header, padded so that the data begins at a multiple of 64 bytes. Entries lie in the
  // file in the given order; names are unique and none is "__metadata__" (kInvalid).
  static Result<SafetensorsWriter> create(FileSystem& files, const std::filesystem::path& path,
                                          std::span<const SafetensorsEntry> entries,
                                          const SafetensorsMetadata& metadata);

  // The data of all entries, one after the other, in pieces of any size; little-endian.
  Result<void> append(Bytes bytes);
  Result<void> append(std::span<const float> values);

  struct Written {
    uint64_t bytes = 0;
    Checksum128 checksum{};  // XXH3-128 of the whole file
  };
  // CHECKs that exactly the announced bytes came.
  Result<Written> finish(AtomicFile::IfExists if_exists);

 private:
  SafetensorsWriter(AtomicFile file, uint64_t data_bytes)
      : file_(std::move(file)), data_bytes_left_(data_bytes) {}

  AtomicFile file_;
  uint64_t data_bytes_left_;
};

}  // namespace ballast
