#include "services/checkpoint/part.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "common/check.h"

namespace ballast {
namespace {

constexpr std::string_view kPartFormat = "ballast.checkpoint.part";

SafetensorsMetadata metadata_of(const PartHeader& header) {
  return {{"format", std::string(kPartFormat)},
          {"format_version", fmt::format("{}", kCheckpointVersion)},
          {"job_uid", header.job_uid},
          {"step", fmt::format("{}", header.id.step)},
          {"term", fmt::format("{}", header.id.term)},
          {"attempt", fmt::format("{}", header.id.attempt)},
          {"origin", fmt::format("{}", header.origin)},
          {"layout_hash", fmt::format("{:016x}", header.layout_hash)},
          {"layout_elements", fmt::format("{}", header.segments.elements)},
          {"segment_elements", fmt::format("{}", header.segments.segment_elements)}};
}

// In the order of the file: segment by segment, the parameters before the states.
std::vector<SafetensorsEntry> entries_of(const Segments& segments, std::span<const SegmentId> held,
                                         std::span<const std::string> states) {
  std::vector<SafetensorsEntry> entries;
  for (const SegmentId segment : held) {
    const std::vector<uint64_t> shape{segments.size(segment)};
    entries.push_back({entry_name(kParametersState, segment), DType::kF32, shape});
    for (const auto& state : states) {
      entries.push_back({entry_name(state, segment), DType::kF32, shape});
    }
  }
  return entries;
}

tl::unexpected<Error> corrupt(const std::filesystem::path& path, std::string_view what) {
  return fail(ErrorCode::kCorrupt, fmt::format("checkpoint file {}: {}", path.string(), what));
}

Result<void> check_content(const std::filesystem::path& path, const SafetensorsReader& reader,
                           const Manifest& manifest, const PartInfo& part) {
  const PartHeader header{manifest.id,
                          manifest.origin,
                          manifest.job_uid,
                          layout_hash(manifest.layout),
                          {manifest.layout.elements, manifest.segment_elements}};
  const auto expected = metadata_of(header);
  if (reader.metadata() != expected) {
    for (const auto& [key, value] : expected) {
      const auto found = reader.metadata().find(key);
      if (found != reader.metadata().end() && found->second == value) continue;
      return corrupt(
          path, fmt::format("it belongs to another checkpoint: {} is {}, expected {}", key,
                            found == reader.metadata().end() ? "missing" : found->second, value));
    }
    return corrupt(path, "metadata that is not known");
  }
  auto entries = entries_of(header.segments, part.segments, manifest.states);
  std::sort(entries.begin(), entries.end(),
            [](const auto& left, const auto& right) { return left.name < right.name; });
  if (reader.entries() != entries) {
    return corrupt(path, "its entries are not the segments and states that the manifest names");
  }
  return {};
}

constexpr size_t kBytesBetweenStops = 64
                                      << 20;  // some hundredths of a second, when they are cached

// Nothing: told to stop.
std::optional<Checksum128> checksum_of(Bytes bytes, const std::stop_token& stop) {
  Xxh3 checksum;
  while (!bytes.empty()) {
    if (stop.stop_requested()) return std::nullopt;
    const Bytes piece = bytes.first(std::min(bytes.size(), kBytesBetweenStops));
    checksum.update(piece);
    bytes = bytes.subspan(piece.size());
  }
  return checksum.digest_128();
}

}  // namespace

std::string entry_name(std::string_view state, SegmentId segment) {
  return fmt::format("{}/{}", state, segment);
}

std::string part_file_name(uint32_t index, uint32_t count) {
  return fmt::format("server-{}-of-{}.safetensors", index, count);
}

Result<PartWriter> PartWriter::create(FileSystem& files, const std::filesystem::path& directory,
                                      const std::string& file, const PartHeader& header,
                                      std::span<const SegmentId> held,
                                      std::span<const std::string> states) {
  // Orders come over the wire: a bad one is an error and not a bug of ours.
  for (size_t i = 0; i < held.size(); ++i) {
    if (held[i] >= header.segments.count() || (i > 0 && held[i] <= held[i - 1])) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("checkpoint file {}: segment {} does not exist or does not ascend",
                              (directory / file).string(), held[i]));
    }
  }
  if (auto done = files.make_folders(directory); !done) {
    return tl::unexpected<Error>(std::move(done.error()));
  }
  auto writer = SafetensorsWriter::create(
      files, directory / file, entries_of(header.segments, held, states), metadata_of(header));
  if (!writer) return tl::unexpected<Error>(std::move(writer.error()));
  PartInfo info;
  info.file = file;
  info.segments.assign(held.begin(), held.end());
  return PartWriter(std::move(*writer), std::move(info), header.segments, 1 + states.size());
}

Result<void> PartWriter::append(std::span<const std::span<const float>> arrays) {
  CHECK(next_ < info_.segments.size() && arrays.size() == arrays_);
  const uint32_t elements = segments_.size(info_.segments[next_++]);
  for (const auto& array : arrays) {
    CHECK(array.size() == elements);
    if (auto done = writer_.append(array); !done) return done;
  }
  return {};
}

Result<PartInfo> PartWriter::finish() {
  CHECK(next_ == info_.segments.size());
  const auto written = writer_.finish(AtomicFile::IfExists::kFail);
  if (!written) return tl::unexpected<Error>(written.error());
  info_.bytes = written->bytes;
  info_.checksum = to_hex(written->checksum);
  return info_;
}

Result<PartInfo> write_part(FileSystem& files, const std::filesystem::path& directory,
                            const std::string& file, const PartHeader& header,
                            std::span<const std::string> states,
                            std::span<const SegmentArrays> segments) {
  std::vector<SegmentId> held;
  for (const auto& segment : segments) held.push_back(segment.segment);
  auto writer = PartWriter::create(files, directory, file, header, held, states);
  if (!writer) return tl::unexpected<Error>(std::move(writer.error()));
  for (const auto& segment : segments) {
    if (auto done = writer->append(segment.arrays); !done) {
      return tl::unexpected<Error>(std::move(done.error()));
    }
  }
  return writer->finish();
}

Result<SafetensorsReader> open_part(const std::filesystem::path& directory,
                                    const Manifest& manifest, const PartInfo& part, bool verify,
                                    const std::stop_token& stop) {
  const auto path = directory / part.file;
  auto reader = SafetensorsReader::open(path);
  if (!reader && reader.error().code == ErrorCode::kNotFound) {
    return corrupt(path, "missing, but the manifest names it");
  }
  if (!reader) return reader;
  const Bytes bytes = reader->file_bytes();
  if (bytes.size() != part.bytes) {
    return corrupt(path, fmt::format("{} bytes, the manifest says {}", bytes.size(), part.bytes));
  }
  if (verify) {
    const auto read = checksum_of(bytes, stop);
    if (!read) return fail(ErrorCode::kUnavailable, "told to stop while reading " + path.string());
    const std::string checksum = to_hex(*read);
    if (checksum != part.checksum) {
      return corrupt(
          path, fmt::format("damaged: checksum {}, the manifest says {}", checksum, part.checksum));
    }
  }
  if (auto done = check_content(path, *reader, manifest, part); !done) {
    return tl::unexpected<Error>(std::move(done.error()));
  }
  return reader;
}

}  // namespace ballast
