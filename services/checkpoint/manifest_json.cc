#include "services/checkpoint/manifest_json.h"

#include <limits>
#include <utility>

#include <fmt/format.h>

#include "common/checksum.h"
#include "services/checkpoint/strict_json.h"

namespace ballast {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::string_view kFormat = "ballast.checkpoint";
constexpr std::string_view kOpening = "{\n\"checksum\": \"";
constexpr size_t kChecksumDigits = 32;
constexpr int kMaxDepth = 6;
constexpr uint64_t kMaxListedSegments = 1u << 24;

std::string_view group_name(ParameterGroup group) {
  return group == ParameterGroup::kDecay ? "decay" : "no_decay";
}

std::string checksum_of(std::string text) {
  text.replace(kOpening.size(), kChecksumDigits, kChecksumDigits, '0');
  return to_hex(xxh3_128(as_bytes(text)));
}

// [[begin, end), ...): most servers hold a few long runs.
ordered_json segment_ranges(const std::vector<SegmentId>& segments) {
  auto ranges = ordered_json::array();
  for (size_t i = 0; i < segments.size();) {
    size_t next = i + 1;
    while (next < segments.size() && segments[next] == segments[next - 1] + 1) ++next;
    ranges.push_back({segments[i], uint64_t{segments[next - 1]} + 1});
    i = next;
  }
  return ranges;
}

// One line a value, and one line an object in a list: long lists stay readable.
void write_lines(const ordered_json& object, std::string& out) {
  out += '{';
  for (auto item = object.begin(); item != object.end(); ++item) {
    out += item == object.begin() ? "\n" : ",\n";
    out += ordered_json(item.key()).dump() + ": ";
    const ordered_json& value = item.value();
    if (value.is_array() && !value.empty() && value.front().is_object()) {
      for (size_t i = 0; i < value.size(); ++i)
        out += (i == 0 ? "[\n  " : ",\n  ") + value[i].dump();
      out += ']';
    } else {
      out += value.dump();
    }
  }
  out += "\n}\n";
}

ordered_json to_json(const Manifest& manifest) {
  auto tensors = ordered_json::array();
  for (const auto& tensor : manifest.layout.tensors) {
    tensors.push_back({{"name", tensor.name},
                       {"shape", tensor.shape},
                       {"group", group_name(tensor.group)},
                       {"offset", tensor.offset}});
  }
  auto parts = ordered_json::array();
  for (const auto& part : manifest.parts) {
    parts.push_back({{"file", part.file},
                     {"bytes", part.bytes},
                     {"checksum", part.checksum},
                     {"segments", segment_ranges(part.segments)}});
  }
  auto tokenizer_files = ordered_json::array();
  for (const auto& file : manifest.tokenizer_files) {
    tokenizer_files.push_back(
        {{"file", file.file}, {"bytes", file.bytes}, {"checksum", file.checksum}});
  }
  ordered_json out;
  out["checksum"] = std::string(kChecksumDigits, '0');
  out["format"] = kFormat;
  out["format_version"] = kCheckpointVersion;
  out["job_name"] = manifest.job_name;
  out["job_uid"] = manifest.job_uid;
  out["job_config"] = manifest.job_config;
  out["step"] = manifest.id.step;
  out["term"] = manifest.id.term;
  out["attempt"] = manifest.id.attempt;
  out["origin"] = manifest.origin;
  out["seed"] = manifest.seed;
  out["data_fingerprint"] = manifest.data_fingerprint;
  out["numerics_fingerprint"] = manifest.numerics_fingerprint;
  out["optimizer"] = manifest.optimizer;
  out["states"] = manifest.states;
  out["applied_steps"] = manifest.applied_steps;
  out["skipped_in_a_row"] = manifest.skipped_in_a_row;
  out["segment_elements"] = manifest.segment_elements;
  out["layout_hash"] = fmt::format("{:016x}", layout_hash(manifest.layout));
  out["layout_elements"] = manifest.layout.elements;
  out["tensors"] = std::move(tensors);
  out["tokenizer_files"] = std::move(tokenizer_files);
  out["parts"] = std::move(parts);
  return out;
}

// Reads the fields of one object and keeps the first thing that is wrong; what is wrong reads as
// zero.
class Fields {
 public:
  Fields(const json& object, std::string name, Error& error)
      : object_(object), name_(std::move(name)), error_(error) {
    if (!object.is_object()) wrong("", "not an object");
  }

  const json& value(const std::string& field) {
    static const json kNothing;
    ++read_;
    if (object_.is_object()) {
      const auto found = object_.find(field);
      if (found != object_.end()) return *found;
    }
    wrong(field, "missing");
    return kNothing;
  }
  template <typename Number>
  Number number(const std::string& field) {
    const json& found = value(field);
    if (!found.is_number_unsigned() || found.get<uint64_t>() > std::numeric_limits<Number>::max()) {
      wrong(field, "not a whole number in range");
      return 0;
    }
    return found.get<Number>();
  }
  std::string text(const std::string& field) {
    const json& found = value(field);
    if (found.is_string()) return found.get<std::string>();
    wrong(field, "not a string");
    return "";
  }
  const json& list(const std::string& field) {
    static const json kEmpty = json::array();
    const json& found = value(field);
    if (found.is_array()) return found;
    wrong(field, "not a list");
    return kEmpty;
  }
  std::vector<uint64_t> numbers(const std::string& field) {
    std::vector<uint64_t> out;
    for (const json& each : list(field)) {
      if (!each.is_number_unsigned()) wrong(field, "holds something that is no whole number");
      out.push_back(each.is_number_unsigned() ? each.get<uint64_t>() : 0);
    }
    return out;
  }
  void wrong(const std::string& field, std::string_view what) {
    if (!error_.message.empty()) return;
    const bool both = !name_.empty() && !field.empty();
    error_ = {ErrorCode::kInvalid, fmt::format("{}{}{}: {}", name_, both ? "." : "", field, what)};
  }
  // After all fields were read.
  void no_others() {
    if (object_.size() != read_) wrong("", "has fields that are not known");
  }

 private:
  const json& object_;
  std::string name_;
  Error& error_;
  size_t read_ = 0;
};

Tensor read_tensor(const json& value, size_t index, Error& error) {
  Fields fields(value, fmt::format("tensors[{}]", index), error);
  Tensor tensor;
  tensor.name = fields.text("name");
  tensor.shape = fields.numbers("shape");
  const std::string group = fields.text("group");
  if (group == group_name(ParameterGroup::kNoDecay)) {
    tensor.group = ParameterGroup::kNoDecay;
  } else if (group != group_name(ParameterGroup::kDecay)) {
    fields.wrong("group", "neither decay nor no_decay");
  }
  tensor.offset = fields.number<uint64_t>("offset");
  fields.no_others();
  return tensor;
}

FileInfo read_file_info(const json& value, size_t index, Error& error) {
  Fields fields(value, fmt::format("tokenizer_files[{}]", index), error);
  FileInfo info;
  info.file = fields.text("file");
  info.bytes = fields.number<uint64_t>("bytes");
  info.checksum = fields.text("checksum");
  fields.no_others();
  return info;
}

// `segments_left` bounds what short ranges may ask of memory, over all parts.
PartInfo read_part(const json& value, size_t index, uint64_t& segments_left, Error& error) {
  Fields fields(value, fmt::format("parts[{}]", index), error);
  PartInfo part;
  part.file = fields.text("file");
  part.bytes = fields.number<uint64_t>("bytes");
  part.checksum = fields.text("checksum");
  for (const json& range : fields.list("segments")) {
    const bool pair = range.is_array() && range.size() == 2 && range[0].is_number_unsigned() &&
                      range[1].is_number_unsigned();
    const uint64_t begin = pair ? range[0].get<uint64_t>() : 1;
    const uint64_t end = pair ? range[1].get<uint64_t>() : 0;
    if (begin >= end || end > kMaxListedSegments || end - begin > segments_left) {
      fields.wrong("segments", "holds something that is no range [begin, end)");
      break;
    }
    segments_left -= end - begin;
    for (uint64_t id = begin; id < end; ++id) part.segments.push_back(static_cast<SegmentId>(id));
  }
  fields.no_others();
  return part;
}

// The offsets follow from names, shapes and groups; the ones in the file must be the same.
Layout read_layout(Fields& fields, Error& error) {
  std::vector<Tensor> tensors;
  for (const json& value : fields.list("tensors")) {
    tensors.push_back(read_tensor(value, tensors.size(), error));
  }
  const auto elements = fields.number<uint64_t>("layout_elements");
  const std::string hash = fields.text("layout_hash");
  const std::vector<Tensor> given = tensors;
  auto layout = make_layout(std::move(tensors));
  if (!layout) {
    fields.wrong("tensors", layout.error().message);
    return {};
  }
  if (layout->elements != elements) fields.wrong("layout_elements", "not what the tensors make");
  if (fmt::format("{:016x}", layout_hash(*layout)) != hash) {
    fields.wrong("layout_hash", "not that of the tensors");
  }
  for (size_t i = 0; i < given.size(); ++i) {
    if (given[i].offset != layout->tensors[i].offset) {
      fields.wrong(fmt::format("tensors[{}].offset", i), "not where the tensor lies");
    }
  }
  return std::move(*layout);
}

Manifest read_fields(const json& object, Error& error) {
  Fields fields(object, "", error);
  Manifest manifest;
  fields.text("checksum");
  if (fields.text("format") != kFormat) fields.wrong("format", "not ballast.checkpoint");
  if (const auto version = fields.number<uint32_t>("format_version");
      version != kCheckpointVersion) {
    fields.wrong("format_version",
                 fmt::format("{}, this program reads {}", version, kCheckpointVersion));
  }
  manifest.job_name = fields.text("job_name");
  manifest.job_uid = fields.text("job_uid");
  manifest.job_config = fields.text("job_config");
  manifest.id.step = fields.number<Step>("step");
  manifest.id.term = fields.number<Term>("term");
  manifest.id.attempt = fields.number<uint32_t>("attempt");
  manifest.origin = fields.number<Origin>("origin");
  manifest.seed = fields.number<uint64_t>("seed");
  manifest.data_fingerprint = fields.text("data_fingerprint");
  manifest.numerics_fingerprint = fields.text("numerics_fingerprint");
  manifest.optimizer = fields.text("optimizer");
  for (const json& state : fields.list("states")) {
    if (!state.is_string()) fields.wrong("states", "holds something that is no string");
    manifest.states.push_back(state.is_string() ? state.get<std::string>() : "");
  }
  manifest.applied_steps = fields.number<uint64_t>("applied_steps");
  manifest.skipped_in_a_row = fields.number<uint32_t>("skipped_in_a_row");
  manifest.segment_elements = fields.number<uint32_t>("segment_elements");
  manifest.layout = read_layout(fields, error);
  for (const json& file : fields.list("tokenizer_files")) {
    manifest.tokenizer_files.push_back(
        read_file_info(file, manifest.tokenizer_files.size(), error));
  }
  uint64_t segments_left = kMaxListedSegments;
  for (const json& part : fields.list("parts")) {
    manifest.parts.push_back(read_part(part, manifest.parts.size(), segments_left, error));
  }
  fields.no_others();
  return manifest;
}

}  // namespace

Result<std::string> encode_manifest(const Manifest& manifest) {
  std::string text;
  try {
    write_lines(to_json(manifest), text);
  } catch (const json::type_error&) {
    return fail(ErrorCode::kInvalid, "a text in it is no UTF-8");
  }
  text.replace(kOpening.size(), kChecksumDigits, checksum_of(text));
  return text;
}

Result<Manifest> decode_manifest(std::string_view text) {
  if (!text.starts_with(kOpening) || text.size() < kOpening.size() + kChecksumDigits) {
    return fail(ErrorCode::kInvalid, "byte 0: does not open as a manifest");
  }
  const auto stored = text.substr(kOpening.size(), kChecksumDigits);
  if (checksum_of(std::string(text)) != stored) {
    return fail(
        ErrorCode::kInvalid,
        fmt::format("damaged or truncated: its {} bytes have another checksum", text.size()));
  }
  const auto object = parse_strict_json(text, kMaxDepth);
  if (!object) return tl::unexpected<Error>(object.error());
  Error error;
  Manifest manifest = read_fields(*object, error);
  if (!error.message.empty()) return tl::unexpected<Error>(std::move(error));
  return manifest;
}

}  // namespace ballast
