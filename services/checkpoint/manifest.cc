#include "services/checkpoint/manifest.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "common/file.h"
#include "services/checkpoint/manifest_json.h"
#include "services/storage/atomic_file.h"

namespace ballast {
namespace {

constexpr uint64_t kMaxSegments = 1u << 24;
constexpr size_t kMaxParts = 65536;
constexpr size_t kMaxStates = 16;
constexpr size_t kMaxTokenizerFiles = 16;
constexpr size_t kChecksumDigits = 32;

bool is_file_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 200 && !name.starts_with('.') && name != kManifestName &&
         !name.ends_with(kTemporarySuffix) && std::all_of(name.begin(), name.end(), allowed);
}

bool is_state_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), allowed);
}

bool is_checksum(std::string_view text) {
  const auto allowed = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() == kChecksumDigits && std::all_of(text.begin(), text.end(), allowed);
}

tl::unexpected<Error> wrong(std::string_view field, std::string_view what) {
  return fail(ErrorCode::kInvalid, fmt::format("{}: {}", field, what));
}

Result<void> check_states(const std::vector<std::string>& states) {
  if (states.size() > kMaxStates) return wrong("states", "too many");
  std::set<std::string> names{"parameters"};
  for (const auto& state : states) {
    if (!is_state_name(state)) return wrong("states", fmt::format("\"{}\" is no name", state));
    if (!names.insert(state).second) {
      return wrong("states", fmt::format("\"{}\" is there twice", state));
    }
  }
  return {};
}

// A file's name, which no file before has, and its checksum.
template <typename File>
Result<void> check_file(std::string_view field, const File& file, std::set<std::string>& names) {
  if (!is_file_name(file.file)) {
    return wrong(field, fmt::format("\"{}\" is no file name", file.file));
  }
  if (!names.insert(file.file).second) {
    return wrong(field, fmt::format("\"{}\" is there twice", file.file));
  }
  if (!is_checksum(file.checksum)) {
    return wrong(field, fmt::format("{}: a checksum that is not 32 hexadecimal digits", file.file));
  }
  return {};
}

Result<void> check_tokenizer_files(const std::vector<FileInfo>& files,
                                   std::set<std::string>& names) {
  if (files.size() > kMaxTokenizerFiles) return wrong("tokenizer_files", "too many");
  for (const FileInfo& file : files) {
    if (auto done = check_file("tokenizer_files", file, names); !done) return done;
  }
  return {};
}

Result<void> check_parts(const std::vector<PartInfo>& parts, uint32_t segment_count,
                         std::set<std::string>& names) {
  if (parts.empty() || parts.size() > kMaxParts) {
    return wrong("parts", fmt::format("{} of them", parts.size()));
  }
  std::vector<bool> held(segment_count);
  uint32_t held_count = 0;
  for (const auto& part : parts) {
    if (auto done = check_file("parts", part, names); !done) return done;
    for (const SegmentId segment : part.segments) {
      if (segment >= segment_count || held[segment]) {
        return wrong("parts",
                     fmt::format("{}: segment {} {}", part.file, segment,
                                 segment >= segment_count ? "does not exist" : "is there twice"));
      }
      held[segment] = true;
      ++held_count;
    }
    if (!std::is_sorted(part.segments.begin(), part.segments.end())) {
      return wrong("parts", fmt::format("{}: segments do not ascend", part.file));
    }
  }
  if (held_count == segment_count) return {};
  const auto missing = std::find(held.begin(), held.end(), false) - held.begin();
  return wrong("parts", fmt::format("{} of {} segments are missing, {} first",
                                    segment_count - held_count, segment_count, missing));
}

// Exactly the digits that a number has, as to_string gives them.
template <typename Number>
bool take_number(std::string_view& text, std::string_view prefix, Number& number) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto digits = static_cast<size_t>(end - text.data());
  if (error != std::errc{} || (digits > 1 && text.front() == '0')) return false;
  text.remove_prefix(digits);
  return true;
}

}  // namespace

std::string directory_name(const CheckpointId& id) {
  return fmt::format("step-{}-term-{}-attempt-{}", id.step, id.term, id.attempt);
}

Result<CheckpointId> parse_directory_name(std::string_view name) {
  CheckpointId id;
  std::string_view rest = name;
  if (take_number(rest, "step-", id.step) && take_number(rest, "-term-", id.term) &&
      take_number(rest, "-attempt-", id.attempt) && rest.empty()) {
    return id;
  }
  return fail(
      ErrorCode::kInvalid,
      fmt::format("\"{}\" is no checkpoint directory: expected step-T-term-N-attempt-A", name));
}

Result<void> check_manifest(const Manifest& manifest) {
  if (auto done = check_layout(manifest.layout); !done) {
    return wrong("layout", done.error().message);
  }
  if (manifest.segment_elements == 0) return wrong("segment_elements", "0");
  const uint64_t count = (manifest.layout.elements - 1) / manifest.segment_elements + 1;
  if (count > kMaxSegments) {
    return wrong("segment_elements",
                 fmt::format("{} of {} elements make more than {} segments",
                             manifest.segment_elements, manifest.layout.elements, kMaxSegments));
  }
  if (auto done = check_states(manifest.states); !done) return done;
  std::set<std::string> names;
  if (auto done = check_tokenizer_files(manifest.tokenizer_files, names); !done) return done;
  return check_parts(manifest.parts, static_cast<uint32_t>(count), names);
}

Result<void> write_manifest(FileSystem& files, const std::filesystem::path& directory,
                            const Manifest& manifest) {
  const auto path = directory / kManifestName;
  auto text = check_manifest(manifest).and_then([&] { return encode_manifest(manifest); });
  if (!text) {
    return fail(ErrorCode::kInvalid,
                fmt::format("manifest {}: {}", path.string(), text.error().message));
  }
  auto file = AtomicFile::create(files, path);
  if (!file) return tl::unexpected<Error>(std::move(file.error()));
  if (auto done = file->append(as_bytes(*text)); !done) return done;
  return file->commit(AtomicFile::IfExists::kFail);
}

Result<Manifest> read_manifest(const std::filesystem::path& directory) {
  const auto path = directory / kManifestName;
  const auto text = read_file(path, kMaxManifestBytes);
  if (!text) return tl::unexpected<Error>(text.error());
  auto manifest = decode_manifest(*text);
  if (manifest) {
    if (auto done = check_manifest(*manifest); !done) {
      manifest = tl::unexpected<Error>(std::move(done.error()));
    }
  }
  if (manifest) return manifest;
  return fail(ErrorCode::kCorrupt,
              fmt::format("manifest {}: {}", path.string(), manifest.error().message));
}

}  // namespace ballast
