#include "operator/kube/wire_format.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <google/protobuf/io/coded_stream.h>

#include "operator/core/time_text.h"

namespace ballast::kube {
namespace {

using google::protobuf::io::CodedInputStream;
using nlohmann::json;

constexpr std::string_view kMagic("k8s\0", 4);       // in front of every object
constexpr int64_t kLatestSeconds = 253'402'300'799;  // of the year 9999

constexpr std::array kListMetadataFields = {WireField{2, "resourceVersion"},
                                            WireField{3, "continue"}};
constexpr WireShape kListMetadata(kListMetadataFields);
constexpr std::array kTimeFields = {WireField{1, "seconds", WireKind::kNumber}};
constexpr std::array kEntryFields = {WireField{1, "key"}, WireField{2, "value"}};
// What stands around objects. Their bytes are text to these.
constexpr std::array kEnvelopeFields = {WireField{2, "raw"}};
constexpr std::array kExtensionFields = {WireField{1, "raw"}};
constexpr WireShape kExtension(kExtensionFields);
constexpr std::array kFrameFields = {WireField{1, "type"},
                                     WireField{2, "object", WireKind::kMessage, &kExtension}};

// `at`: the field that cannot be read, "status.podIP"; empty: what stands around an object.
Error corrupt(const std::string& at) {
  return {ErrorCode::kCorrupt,
          "an answer that is no protobuf of its kind" + (at.empty() ? "" : ", at " + at)};
}

// Types on the wire.
constexpr uint32_t kVarint = 0;
constexpr uint32_t kFixed64 = 1;
constexpr uint32_t kBytes = 2;
constexpr uint32_t kFixed32 = 5;

// A field as it stands in a message.
struct Piece {
  uint32_t number = 0;
  uint32_t type = kBytes;
  uint64_t varint = 0;     // of kVarint
  std::string_view bytes;  // of kBytes
};

// Goes through the fields of one message.
class Reader {
 public:
  explicit Reader(std::string_view message)
      : message_(message),
        input_(reinterpret_cast<const uint8_t*>(message.data()), static_cast<int>(message.size())) {
  }

  // False: the end, or what is no field (then `broken`).
  bool next(Piece& piece) {
    const uint32_t tag = input_.ReadTag();
    if (tag == 0) {
      broken_ = !input_.ConsumedEntireMessage();
      return false;
    }
    piece = {tag >> 3, tag & 7, 0, {}};
    broken_ = piece.number == 0 || !read(piece);
    return !broken_;
  }
  bool broken() const { return broken_; }

 private:
  bool read(Piece& piece) {
    if (piece.type == kVarint) return input_.ReadVarint64(&piece.varint);
    if (piece.type == kFixed64) return input_.Skip(8);
    if (piece.type == kFixed32) return input_.Skip(4);
    uint64_t length = 0;
    if (piece.type != kBytes || !input_.ReadVarint64(&length)) return false;
    const auto at = static_cast<size_t>(input_.CurrentPosition());
    if (length > message_.size() - at) return false;
    piece.bytes = message_.substr(at, length);
    return input_.Skip(static_cast<int>(length));
  }

  std::string_view message_;
  CodedInputStream input_;
  bool broken_ = false;
};

// JSON has to be UTF-8; the server's own writer replaces what is none, too.
json utf8_text(std::string_view bytes) {
  json text = std::string(bytes);
  const bool plain =
      std::all_of(bytes.begin(), bytes.end(), [](char c) { return (c & 0x80) == 0; });
  if (plain) return text;
  return json::parse(text.dump(-1, ' ', false, json::error_handler_t::replace));
}

const WireField* field_of(const WireShape& shape, uint32_t number) {
  const auto found = std::find_if(shape.begin(), shape.end(),
                                  [&](const WireField& field) { return field.number == number; });
  return found == shape.end() ? nullptr : &*found;
}

uint32_t type_of(const WireField& field) {
  return field.kind == WireKind::kNumber ? kVarint : kBytes;
}

// The last bytes or varint of each field of a small message; false: it is none.
template <size_t kCount>
bool read_fields(std::string_view message, const std::array<WireField, kCount>& fields,
                 std::array<Piece, kCount>& out) {
  Reader reader(message);
  for (Piece piece; reader.next(piece);) {
    for (size_t i = 0; i < kCount; ++i) {
      if (fields[i].number != piece.number) continue;
      if (piece.type != type_of(fields[i])) return false;
      out[i] = piece;
    }
  }
  return !reader.broken();
}

json& object_at(json& parent, const std::string& name) {
  json& value = parent[name];
  if (value.is_null()) value = json::object();
  return value;
}

bool add_time(std::string_view message, const std::string& name, json& out) {
  std::array<Piece, 1> seconds;
  if (!read_fields(message, kTimeFields, seconds)) return false;
  const auto value = static_cast<int64_t>(seconds[0].varint);
  const bool writable = value >= 0 && value <= kLatestSeconds;
  if (!message.empty()) out[name] = writable ? format_time(value * 1'000) : "";
  return true;
}

bool add_entry(std::string_view message, const FieldMask& wanted, json& map) {
  std::array<Piece, 2> entry;
  if (!read_fields(message, kEntryFields, entry)) return false;
  if (wanted.find(entry[0].bytes) == nullptr) return true;
  map[utf8_text(entry[0].bytes).get<std::string>()] = utf8_text(entry[1].bytes);
  return true;
}

bool build(std::string_view message, const WireShape& shape, const FieldMask& mask, json& out,
           std::string& fault);

bool add(const Piece& piece, const WireField& field, const FieldMask& wanted, json& out,
         std::string& fault) {
  if (piece.type != type_of(field)) return false;
  const std::string name(field.name);
  switch (field.kind) {
    case WireKind::kText:
      if (!piece.bytes.empty()) out[name] = utf8_text(piece.bytes);
      return true;
    case WireKind::kNumber:
      out[name] = static_cast<int64_t>(piece.varint);
      return true;
    case WireKind::kTime:
      return add_time(piece.bytes, name, out);
    case WireKind::kTexts:
      return add_entry(piece.bytes, wanted, object_at(out, name));
    case WireKind::kMessage:
      return build(piece.bytes, *field.inner, wanted, object_at(out, name), fault);
    case WireKind::kMessages: {
      json& list = out[name];
      list.push_back(json::object());
      return build(piece.bytes, *field.inner, wanted, list.back(), fault);
    }
  }
  return false;
}

// What is there of a table's fields. `fault`: the field that cannot be read.
bool build(std::string_view message, const WireShape& shape, const FieldMask& mask, json& out,
           std::string& fault) {
  Reader reader(message);
  for (Piece piece; reader.next(piece);) {
    const WireField* field = field_of(shape, piece.number);
    const FieldMask* wanted = field == nullptr ? nullptr : mask.find(field->name);
    if (wanted == nullptr || add(piece, *field, *wanted, out, fault)) continue;
    fault = std::string(field->name) + (fault.empty() ? "" : "." + fault);
    return false;
  }
  return !reader.broken();
}

// The bytes of what an object's envelope holds; nothing: it is none.
std::optional<std::string_view> unwrapped(std::string_view body) {
  std::array<Piece, 1> raw;
  if (!is_wire(body) || !read_fields(body.substr(kMagic.size()), kEnvelopeFields, raw))
    return std::nullopt;
  return raw[0].bytes;
}

}  // namespace

bool covers(const WireShape& shape, const FieldMask& mask) {
  const std::vector<std::string> names = mask.names();
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    const auto field = std::find_if(shape.begin(), shape.end(),
                                    [&](const WireField& one) { return one.name == name; });
    if (field == shape.end()) return false;
    return field->inner == nullptr || covers(*field->inner, *mask.find(name));
  });
}

bool is_wire(std::string_view body) { return body.starts_with(kMagic); }

Result<json> parse_wire(std::string_view body, const WireShape& shape, const FieldMask& mask) {
  const auto message = unwrapped(body);
  json out = json::object();
  std::string fault;
  if (!message || !build(*message, shape, mask, out, fault)) return tl::unexpected(corrupt(fault));
  return out;
}

Result<json> parse_wire_list(std::string_view body, const WireShape& shape, const FieldMask& mask) {
  const std::array fields = {WireField{1, "metadata", WireKind::kMessage, &kListMetadata},
                             WireField{2, "items", WireKind::kMessages, &shape}};
  auto list =
      parse_wire(body, WireShape(fields), FieldMask::of({{"metadata", {}}, {"items", mask}}));
  if (list && !list->contains("items")) (*list)["items"] = json::array();
  return list;
}

Result<json> parse_wire_frame(std::string_view frame, const WireShape& shape,
                              const FieldMask& mask) {
  std::array<Piece, 2> event;
  std::array<Piece, 1> raw;
  if (!read_fields(frame, kFrameFields, event) ||
      !read_fields(event[1].bytes, kExtensionFields, raw))
    return tl::unexpected(corrupt(""));
  const bool is_error = event[0].bytes == "ERROR";
  auto object = is_error ? parse_wire(raw[0].bytes, shape_of_status(), {})
                         : parse_wire(raw[0].bytes, shape, mask);
  if (!object) return object;
  return json{{"type", utf8_text(event[0].bytes)}, {"object", std::move(*object)}};
}

}  // namespace ballast::kube
