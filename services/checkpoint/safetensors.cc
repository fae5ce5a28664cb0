#include "services/checkpoint/safetensors.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "common/check.h"
#include "services/checkpoint/strict_json.h"

namespace ballast {
namespace {

using nlohmann::json;

constexpr uint64_t kDataAlignment = 64;  // bytes, of the first entry in the file

struct DTypeRow {
  DType dtype;
  std::string_view name;
  uint64_t bytes;
};

constexpr std::array<DTypeRow, 13> kDTypes = {{{DType::kBool, "BOOL", 1},
                                               {DType::kU8, "U8", 1},
                                               {DType::kI8, "I8", 1},
                                               {DType::kI16, "I16", 2},
                                               {DType::kU16, "U16", 2},
                                               {DType::kF16, "F16", 2},
                                               {DType::kBF16, "BF16", 2},
                                               {DType::kI32, "I32", 4},
                                               {DType::kU32, "U32", 4},
                                               {DType::kF32, "F32", 4},
                                               {DType::kI64, "I64", 8},
                                               {DType::kU64, "U64", 8},
                                               {DType::kF64, "F64", 8}}};

const DTypeRow& row_of(DType dtype) {
  const auto row = std::find_if(kDTypes.begin(), kDTypes.end(),
                                [&](const DTypeRow& each) { return each.dtype == dtype; });
  CHECK(row != kDTypes.end());
  return *row;
}

Result<std::string> make_header(std::span<const SafetensorsEntry> entries,
                                const SafetensorsMetadata& metadata, uint64_t& total) {
  json header = json::object();
  if (!metadata.empty()) header[std::string(kSafetensorsMetadata)] = metadata;
  total = 0;
  for (const auto& entry : entries) {
    if (entry.name == kSafetensorsMetadata || header.contains(entry.name)) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("safetensors entry \"{}\": the name is taken", entry.name));
    }
    const auto bytes = data_bytes(entry);
    uint64_t end = 0;
    if (!bytes || __builtin_add_overflow(total, *bytes, &end)) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("safetensors entry \"{}\": too large", entry.name));
    }
    header[entry.name] = {
        {"dtype", to_string(entry.dtype)}, {"shape", entry.shape}, {"data_offsets", {total, end}}};
    total = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const json::type_error&) {
    return fail(ErrorCode::kInvalid, "a safetensors name or metadata text is no UTF-8");
  }
  const uint64_t padded = (kSafetensorsLengthBytes + text.size() + kDataAlignment - 1) /
                          kDataAlignment * kDataAlignment;
  text.resize(padded - kSafetensorsLengthBytes, ' ');
  if (text.size() > kMaxSafetensorsHeaderBytes) {
    return fail(ErrorCode::kInvalid,
                fmt::format("a safetensors header of {} bytes, more than the limit of {}",
                            text.size(), kMaxSafetensorsHeaderBytes));
  }
  return text;
}

}  // namespace

std::string_view to_string(DType dtype) { return row_of(dtype).name; }
uint64_t size_bytes(DType dtype) { return row_of(dtype).bytes; }

std::optional<DType> parse_dtype(std::string_view name) {
  for (const DTypeRow& row : kDTypes) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

std::optional<uint64_t> data_bytes(const SafetensorsEntry& entry) {
  uint64_t bytes = size_bytes(entry.dtype);
  for (const uint64_t dimension : entry.shape) {
    if (__builtin_mul_overflow(bytes, dimension, &bytes)) return std::nullopt;
  }
  return bytes;
}

Result<SafetensorsWriter> SafetensorsWriter::create(FileSystem& files,
                                                    const std::filesystem::path& path,
                                                    std::span<const SafetensorsEntry> entries,
                                                    const SafetensorsMetadata& metadata) {
  uint64_t total = 0;
  const auto header = make_header(entries, metadata, total);
  if (!header) return tl::unexpected<Error>(header.error());
  auto file = AtomicFile::create(files, path);
  if (!file) return tl::unexpected<Error>(std::move(file.error()));
  const uint64_t header_bytes = header->size();
  auto done = file->append(std::as_bytes(std::span(&header_bytes, 1)));
  if (done) done = file->append(as_bytes(*header));
  if (!done) return tl::unexpected<Error>(std::move(done.error()));
  return SafetensorsWriter(std::move(*file), total);
}

Result<void> SafetensorsWriter::append(Bytes bytes) {
  CHECK(bytes.size() <= data_bytes_left_);
  data_bytes_left_ -= bytes.size();
  return file_.append(bytes);
}

Result<void> SafetensorsWriter::append(std::span<const float> values) {
  return append(std::as_bytes(values));
}

Result<SafetensorsWriter::Written> SafetensorsWriter::finish(AtomicFile::IfExists if_exists) {
  CHECK(data_bytes_left_ == 0);
  if (auto done = file_.commit(if_exists); !done) {
    return tl::unexpected<Error>(std::move(done.error()));
  }
  return Written{file_.bytes(), file_.checksum()};
}

}  // namespace ballast
