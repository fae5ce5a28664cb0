#include "services/transport/data_header.h"

#include <bit>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "common/check.h"

namespace ballast {
namespace {

static_assert(std::endian::native == std::endian::little,
              "headers are written as the host's bytes");

// Writes fields one after another. The same `fields` functions below describe both directions.
class Writer {
 public:
  explicit Writer(std::vector<std::byte>& out) : out_(out) {}
  template <typename T>
  void number(const T& value) {
    const size_t at = out_.size();
    out_.resize(at + sizeof value);
    std::memcpy(out_.data() + at, &value, sizeof value);
  }
  void flag(const bool& value) { number(static_cast<uint8_t>(value ? 1 : 0)); }
  void status(const DataStatus& value) { number(static_cast<uint8_t>(value)); }
  void pad(size_t bytes) { out_.resize(out_.size() + bytes); }

 private:
  std::vector<std::byte>& out_;
};

// Reads them; the first thing wrong stays, with its position, and everything after it reads as
// zero.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  template <typename T>
  void number(T& value) {
    value = T{};
    if (!error_.empty()) return;
    if (bytes_.size() - at_ < sizeof value)
      return wrong(bytes_.size(), "the message ends in its header");
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
  }
  void flag(bool& value) {
    uint8_t byte = 0;
    number(byte);
    if (byte > 1) wrong(at_ - 1, fmt::format("{} is neither 0 nor 1", byte));
    value = byte == 1;
  }
  void status(DataStatus& value) {
    uint8_t byte = 0;
    number(byte);
    if (byte > static_cast<uint8_t>(DataStatus::kRefused)) {
      return wrong(at_ - 1, fmt::format("status {} is unknown", byte));
    }
    value = static_cast<DataStatus>(byte);
  }
  void pad(size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) {
      uint8_t byte = 0;
      number(byte);
      if (byte != 0) wrong(at_ - 1, "padding is not zero");
    }
  }
  void wrong(size_t at, std::string what) {
    if (error_.empty()) error_ = fmt::format("data header byte {}: {}", at, what);
  }
  size_t at() const { return at_; }
  const std::string& error() const { return error_; }

 private:
  std::span<const std::byte> bytes_;
  size_t at_ = 0;
  std::string error_;
};

// ---- the fields of each message, in the order of the wire, for both directions
// -------------------------

template <typename T, typename U>
concept Is = std::is_same_v<std::remove_const_t<T>, U>;

void fields(auto& io, Is<MapVersion> auto& m) {
  io.number(m.term);
  io.number(m.number);
}
void fields(auto& io, Is<LossSum> auto& m) {
  io.number(m.loss);
  io.number(m.tokens);
}

// A flag; the value follows where there is one.
template <typename T>
void optional_field(Writer& io, const std::optional<T>& value) {
  io.flag(value.has_value());
  if (value) fields(io, *value);
}
template <typename T>
void optional_field(Reader& io, std::optional<T>& value) {
  bool present = false;
  io.flag(present);
  value.reset();
  if (present) fields(io, value.emplace());
}

void fields(auto& io, Is<Record> auto& m) {
  io.number(m.step);
  fields(io, m.map);
  io.number(m.origin);
  io.number(m.plan);
  io.flag(m.apply);
  io.number(m.scale);
  io.number(m.learning_rate);
  io.number(m.bias_correction1);
  io.number(m.bias_correction2);
  io.number(m.applied_steps);
  io.number(m.skipped_in_a_row);
  fields(io, m.training);
  io.number(m.gradient_norm);
  optional_field(io, m.evaluation);
}
void fields(auto& io, Is<Push> auto& m) {
  io.number(m.term);
  io.number(m.origin);
  fields(io, m.map);
  io.number(m.step);
  io.number(m.node);
  io.number(m.segment);
  fields(io, m.sum);
}
void fields(auto& io, Is<PushAck> auto& m) {
  io.number(m.term);
  io.number(m.step);
  io.number(m.node);
  io.number(m.segment);
  io.status(m.status);
  fields(io, m.map);
  io.number(m.version);
}
void fields(auto& io, Is<Pull> auto& m) {
  io.number(m.term);
  io.number(m.origin);
  fields(io, m.map);
  io.number(m.version);
  io.number(m.segment);
}
void fields(auto& io, Is<PullReply> auto& m) {
  io.number(m.term);
  io.number(m.segment);
  io.number(m.version);
  io.status(m.status);
  fields(io, m.map);
  io.number(m.now);
}
void fields(auto& io, Is<PushInitial> auto& m) {
  io.number(m.term);
  io.number(m.origin);
  fields(io, m.map);
  io.number(m.segment);
}
void fields(auto& io, Is<PushInitialAck> auto& m) {
  io.number(m.term);
  io.number(m.origin);
  fields(io, m.map);
  io.number(m.segment);
  io.status(m.status);
}
void fields(auto& io, Is<Root> auto& m) {
  io.number(m.term);
  io.number(m.origin);
  fields(io, m.map);
  io.number(m.step);
  io.number(m.segment);
  fields(io, m.sum);
  io.number(m.plan);
  optional_field(io, m.previous);
}
void fields(auto& io, Is<RootAck> auto& m) {
  io.number(m.term);
  fields(io, m.map);
  io.number(m.step);
  io.number(m.segment);
}
void fields(auto& io, Is<Copy> auto& m) {
  io.number(m.term);
  io.number(m.origin);
  fields(io, m.map);
  io.number(m.version);
  io.number(m.segment);
  io.number(m.part);
  io.number(m.parts);
}
void fields(auto& io, Is<CopyAck> auto& m) {
  io.number(m.term);
  fields(io, m.map);
  io.number(m.version);
  io.number(m.segment);
  io.number(m.part);
}

// ---- kinds
// ---------------------------------------------------------------------------------------------

// The numbers on the wire, never reused. 0 is Hello. May a payload follow?
template <typename M>
struct Kind;
template <>
struct Kind<Push> {
  static constexpr uint8_t number = 1;
  static constexpr bool payload = true;
};
template <>
struct Kind<PushAck> {
  static constexpr uint8_t number = 2;
  static constexpr bool payload = false;
};
template <>
struct Kind<Pull> {
  static constexpr uint8_t number = 3;
  static constexpr bool payload = false;
};
template <>
struct Kind<PullReply> {
  static constexpr uint8_t number = 4;
  static constexpr bool payload = true;
};
template <>
struct Kind<PushInitial> {
  static constexpr uint8_t number = 5;
  static constexpr bool payload = true;
};
template <>
struct Kind<PushInitialAck> {
  static constexpr uint8_t number = 6;
  static constexpr bool payload = false;
};
template <>
struct Kind<Root> {
  static constexpr uint8_t number = 7;
  static constexpr bool payload = true;
};
template <>
struct Kind<RootAck> {
  static constexpr uint8_t number = 8;
  static constexpr bool payload = false;
};
template <>
struct Kind<Copy> {
  static constexpr uint8_t number = 9;
  static constexpr bool payload = true;
};
template <>
struct Kind<CopyAck> {
  static constexpr uint8_t number = 10;
  static constexpr bool payload = false;
};

template <typename M>
concept HasKind = requires {
  Kind<M>::number;
};

constexpr size_t kKindAt = 5;
constexpr size_t kEncodingAt = 6;
constexpr size_t kWantedAt = 7;
constexpr size_t kPayloadBytesAt = 32;

// Reads message `kind` of M if it is that; false: it is another.
template <HasKind M>
bool read_as(uint8_t kind, Reader& io, DataHeader& header, bool& payload) {
  if (kind != Kind<M>::number) return false;
  fields(io, header.message.emplace<M>());
  payload = Kind<M>::payload;
  return true;
}
template <typename... M>
bool read_any(uint8_t kind, Reader& io, DataHeader& header, bool& payload) {
  return (read_as<M>(kind, io, header, payload) || ...);
}

// Byte 7: the encoding that a Pull asks for. 0, as in every other message, is dense fp32.
uint8_t wanted_of(const DataHeader& header) {
  const auto* pull = header.hello ? nullptr : std::get_if<Pull>(&header.message);
  const bool rounded = pull != nullptr && pull->precision == Precision::kBf16;
  return rounded ? static_cast<uint8_t>(Encoding::kDenseBf16) : uint8_t{0};
}

void take_wanted(Reader& io, uint8_t wanted, DataHeader& header) {
  if (wanted == 0) return;
  auto* pull = header.hello ? nullptr : std::get_if<Pull>(&header.message);
  if (pull == nullptr) return io.wrong(kWantedAt, "padding is not zero");
  if (wanted != static_cast<uint8_t>(Encoding::kDenseBf16)) {
    return io.wrong(kWantedAt, fmt::format("encoding {} cannot be asked for", wanted));
  }
  pull->precision = Precision::kBf16;
}

void check_payload(Reader& io, const DataHeader& header, bool payload_allowed,
                   size_t message_bytes) {
  const bool rounded = header.encoding == Encoding::kDenseBf16;
  if (header.hello) {
    if (header.encoding != Encoding::kHello) io.wrong(kEncodingAt, "a Hello has encoding 2");
    if (header.payload_bytes > kMaxHelloBytes) io.wrong(kPayloadBytesAt, "the Hello is too long");
  } else if (header.encoding == Encoding::kDenseFp32 || rounded) {
    if (!payload_allowed) io.wrong(kEncodingAt, "this kind of message has no payload");
    if (rounded && !std::holds_alternative<PullReply>(header.message)) {
      io.wrong(kEncodingAt, "only what was pulled is bfloat16");
    }
    const size_t number = rounded ? sizeof(uint16_t) : sizeof(float);
    if (header.payload_bytes == 0 || header.payload_bytes % number != 0) {
      io.wrong(kPayloadBytesAt, fmt::format("{} payload bytes are no row of {}",
                                            header.payload_bytes, rounded ? "bfloat16" : "floats"));
    }
    if (header.payload_bytes > kMaxPieceBytes) {
      io.wrong(kPayloadBytesAt, fmt::format("{} payload bytes, at most {} are allowed",
                                            header.payload_bytes, kMaxPieceBytes));
    }
  } else if (header.encoding != Encoding::kNone) {
    io.wrong(kEncodingAt, "encoding 2 belongs to a Hello");
  } else if (header.payload_bytes != 0) {
    io.wrong(kPayloadBytesAt, "payload bytes without an encoding");
  }
  if (header.header_bytes + header.payload_bytes != message_bytes) {
    io.wrong(kPayloadBytesAt,
             fmt::format("{} bytes follow the header, {} were announced",
                         message_bytes - header.header_bytes, header.payload_bytes));
  }
}

}  // namespace

std::vector<std::byte> encode_data_header(const DataHeader& header) {
  std::vector<std::byte> out;
  out.reserve(kMaxDataHeaderBytes);
  Writer io(out);
  io.number(kDataMagic);
  io.number(kDataVersion);
  const size_t kind_at = out.size();
  io.number(uint8_t{0});
  io.number(static_cast<uint8_t>(header.encoding));
  io.number(wanted_of(header));
  io.number(header.job_hash);
  io.number(header.from_incarnation);
  io.number(header.to_incarnation);
  io.number(header.payload_bytes);
  io.pad(4);
  if (header.hello) return out;
  std::visit(
      [&]<typename M>(const M& message) {
        if constexpr (HasKind<M>) {
          out[kind_at] = std::byte{Kind<M>::number};
          fields(io, message);
        } else {
          check_failed(__FILE__, __LINE__, "a control message on the data plane");
        }
      },
      header.message);
  CHECK(out.size() <= kMaxDataHeaderBytes);
  return out;
}

Result<DataHeader> parse_data_header(std::span<const std::byte> bytes, size_t message_bytes) {
  Reader io(bytes);
  DataHeader header;
  uint32_t magic = 0;
  io.number(magic);
  if (magic != kDataMagic)
    io.wrong(0, fmt::format("magic is {:#010x}, expected {:#010x}", magic, kDataMagic));
  uint8_t version = 0;
  io.number(version);
  if (version != kDataVersion) {
    io.wrong(4, fmt::format("version {} is unknown, this build speaks {}", version, kDataVersion));
  }
  uint8_t kind = 0;
  io.number(kind);
  uint8_t encoding = 0;
  io.number(encoding);
  if (encoding > static_cast<uint8_t>(Encoding::kDenseBf16)) {
    io.wrong(kEncodingAt, fmt::format("encoding {} is unknown", encoding));
  }
  header.encoding = static_cast<Encoding>(encoding);
  uint8_t wanted = 0;
  io.number(wanted);
  io.number(header.job_hash);
  io.number(header.from_incarnation);
  io.number(header.to_incarnation);
  io.number(header.payload_bytes);
  io.pad(4);
  if (!io.error().empty()) return fail(ErrorCode::kCorrupt, io.error());

  header.hello = kind == 0;
  bool payload_allowed = header.hello;
  if (!header.hello && !read_any<Push, PushAck, Pull, PullReply, PushInitial, PushInitialAck, Root,
                                 RootAck, Copy, CopyAck>(kind, io, header, payload_allowed)) {
    io.wrong(kKindAt, fmt::format("message kind {} is unknown", kind));
  }
  if (!io.error().empty()) return fail(ErrorCode::kCorrupt, io.error());
  header.header_bytes = io.at();
  take_wanted(io, wanted, header);
  check_payload(io, header, payload_allowed, message_bytes);
  if (!io.error().empty()) return fail(ErrorCode::kCorrupt, io.error());
  return header;
}

}  // namespace ballast
