#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "services/checkpoint/safetensors.h"
#include "services/checkpoint/strict_json.h"

namespace ballast {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "safetensors are little-endian");

constexpr size_t kMaxDimensions = 32;
constexpr int kMaxDepth = 3;  // the header, an entry, its shape

struct ParsedEntry {
  SafetensorsEntry entry;
  uint64_t begin = 0;  // bytes from the start of the data
  uint64_t end = 0;
};

Result<std::vector<uint64_t>> parse_numbers(const json& value, std::string_view field) {
  std::vector<uint64_t> numbers;
  if (!value.is_array()) return fail(ErrorCode::kInvalid, fmt::format("{} is no list", field));
  for (const json& number : value) {
    if (!number.is_number_unsigned()) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("{} holds something that is no whole number from 0", field));
    }
    numbers.push_back(number.get<uint64_t>());
  }
  return numbers;
}

// One entry of the header; errors without its name.
Result<ParsedEntry> parse_entry(const std::string& name, const json& value) {
  if (!value.is_object()) return fail(ErrorCode::kInvalid, "not an object");
  for (const auto& [field, ignored] : value.items()) {
    if (field != "dtype" && field != "shape" && field != "data_offsets") {
      return fail(ErrorCode::kInvalid, fmt::format("unknown field \"{}\"", field));
    }
  }
  if (value.size() != 3)
    return fail(ErrorCode::kInvalid, "dtype, shape or data_offsets is missing");
  ParsedEntry parsed{{name, DType::kF32, {}}, 0, 0};

  const json& dtype = value["dtype"];
  const auto known =
      dtype.is_string() ? parse_dtype(dtype.get_ref<const std::string&>()) : std::nullopt;
  if (!known) return fail(ErrorCode::kInvalid, "dtype is none that is known");
  parsed.entry.dtype = *known;

  auto shape = parse_numbers(value["shape"], "shape");
  if (!shape) return tl::unexpected<Error>(std::move(shape.error()));
  if (shape->size() > kMaxDimensions) return fail(ErrorCode::kInvalid, "shape is too long");
  parsed.entry.shape = std::move(*shape);

  const auto range = parse_numbers(value["data_offsets"], "data_offsets");
  if (!range) return tl::unexpected<Error>(range.error());
  if (range->size() != 2 || (*range)[0] > (*range)[1]) {
    return fail(ErrorCode::kInvalid, "data_offsets is no pair [begin, end]");
  }
  parsed.begin = (*range)[0];
  parsed.end = (*range)[1];
  const auto bytes = data_bytes(parsed.entry);
  if (!bytes || *bytes != parsed.end - parsed.begin) {
    return fail(ErrorCode::kInvalid,
                fmt::format("data_offsets span {} bytes, dtype and shape need {}",
                            parsed.end - parsed.begin,
                            bytes ? fmt::format("{}", *bytes) : "more than 64 bits count"));
  }
  return parsed;
}

Result<SafetensorsMetadata> parse_metadata(const json& value) {
  SafetensorsMetadata metadata;
  if (!value.is_object()) return fail(ErrorCode::kInvalid, "not an object");
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) {
      return fail(ErrorCode::kInvalid, fmt::format("\"{}\" is no string", key));
    }
    metadata[key] = text.get<std::string>();
  }
  return metadata;
}

// The ranges, in the order of the data, touch each other and end where the data ends.
Result<void> check_cover(std::vector<const ParsedEntry*> entries, uint64_t data_size) {
  std::sort(entries.begin(), entries.end(), [](const ParsedEntry* left, const ParsedEntry* right) {
    return std::pair(left->begin, left->end) < std::pair(right->begin, right->end);
  });
  uint64_t at = 0;
  for (const ParsedEntry* entry : entries) {
    if (entry->begin != at) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("\"{}\": begins at data byte {}, but what is before it ends at {}",
                              entry->entry.name, entry->begin, at));
    }
    at = entry->end;
  }
  if (at > data_size) {
    return fail(ErrorCode::kInvalid, fmt::format("truncated: the header names {} bytes of data, "
                                                 "the file has {}",
                                                 at, data_size));
  }
  if (at < data_size) {
    return fail(
        ErrorCode::kInvalid,
        fmt::format("too long: the header names {} bytes of data, the file has {}", at, data_size));
  }
  return {};
}

}  // namespace

SafetensorsReader::SafetensorsReader(MappedFile file, std::filesystem::path path)
    : file_(std::move(file)), path_(std::move(path)) {}

Result<SafetensorsReader> SafetensorsReader::open(const std::filesystem::path& path) {
  auto file = MappedFile::open(path);
  if (!file) return tl::unexpected<Error>(std::move(file.error()));
  SafetensorsReader reader(std::move(*file), path);
  if (auto done = reader.parse(); !done) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("safetensors file {}: {}", path.string(), done.error().message));
  }
  return reader;
}

Result<void> SafetensorsReader::parse() {
  const Bytes bytes = file_.bytes();
  if (bytes.size() < kSafetensorsLengthBytes) {
    return fail(ErrorCode::kInvalid, fmt::format("truncated: {} bytes", bytes.size()));
  }
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), kSafetensorsLengthBytes);
  if (header_bytes > kMaxSafetensorsHeaderBytes) {
    return fail(ErrorCode::kInvalid, fmt::format("byte 0: a header of {} bytes, the limit is {}",
                                                 header_bytes, kMaxSafetensorsHeaderBytes));
  }
  if (header_bytes > bytes.size() - kSafetensorsLengthBytes) {
    return fail(ErrorCode::kInvalid, fmt::format("truncated: a header of {} bytes in a file of {}",
                                                 header_bytes, bytes.size()));
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kSafetensorsLengthBytes,
                              header_bytes);
  if (!text.starts_with('{')) return fail(ErrorCode::kInvalid, "byte 8: the header is no object");
  const auto header = parse_strict_json(text, kMaxDepth);
  if (!header) return fail(ErrorCode::kInvalid, "header: " + header.error().message);

  std::vector<ParsedEntry> parsed;  // ascending by name, as the object is
  for (const auto& [name, value] : header->items()) {
    Result<void> done;
    if (name == kSafetensorsMetadata) {
      auto metadata = parse_metadata(value);
      if (metadata) metadata_ = std::move(*metadata);
      if (!metadata) done = tl::unexpected<Error>(std::move(metadata.error()));
    } else {
      auto entry = parse_entry(name, value);
      if (entry) parsed.push_back(std::move(*entry));
      if (!entry) done = tl::unexpected<Error>(std::move(entry.error()));
    }
    if (!done) {
      return fail(ErrorCode::kInvalid, fmt::format("\"{}\": {}", name, done.error().message));
    }
  }
  std::vector<const ParsedEntry*> pointers;
  for (const auto& entry : parsed) pointers.push_back(&entry);
  const uint64_t data_begin = kSafetensorsLengthBytes + header_bytes;
  if (auto done = check_cover(std::move(pointers), bytes.size() - data_begin); !done) return done;
  for (auto& entry : parsed) {
    entries_.push_back(std::move(entry.entry));
    ranges_.push_back({data_begin + entry.begin, data_begin + entry.end});
  }
  return {};
}

Result<size_t> SafetensorsReader::find(std::string_view name) const {
  const auto entry = std::lower_bound(
      entries_.begin(), entries_.end(), name,
      [](const SafetensorsEntry& each, std::string_view wanted) { return each.name < wanted; });
  if (entry == entries_.end() || entry->name != name) {
    return fail(ErrorCode::kNotFound,
                fmt::format("safetensors file {}: no entry \"{}\"", path_.string(), name));
  }
  return static_cast<size_t>(entry - entries_.begin());
}

Result<Bytes> SafetensorsReader::data(std::string_view name) const {
  const auto index = find(name);
  if (!index) return tl::unexpected<Error>(index.error());
  const Range& range = ranges_[*index];
  return file_.bytes().subspan(range.begin, range.end - range.begin);
}

Result<std::span<const float>> SafetensorsReader::floats(std::string_view name) const {
  const auto index = find(name);
  if (!index) return tl::unexpected<Error>(index.error());
  const Bytes bytes = *data(name);
  if (entries_[*index].dtype != DType::kF32) {
    return fail(ErrorCode::kInvalid,
                fmt::format("safetensors file {}: \"{}\" is {}, expected F32", path_.string(), name,
                            to_string(entries_[*index].dtype)));
  }
  if (bytes.empty()) return std::span<const float>();
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(float) != 0) {
    return fail(ErrorCode::kInvalid,
                fmt::format("safetensors file {}: \"{}\" is not aligned", path_.string(), name));
  }
  return std::span(reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float));
}

}  // namespace ballast
