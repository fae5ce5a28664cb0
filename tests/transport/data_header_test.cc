// The data header is parsed from bytes that anybody may send: what encode writes comes back,
// anything else is refused with the byte that is wrong, and nothing crashes.
#include "services/transport/data_header.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>

namespace ballast {
namespace {

MapVersion any_map() { return {*rc::gen::arbitrary<uint64_t>(), *rc::gen::arbitrary<uint64_t>()}; }
LossSum any_sum() {
  return {.loss = static_cast<double>(*rc::gen::arbitrary<int64_t>()) / 1024,
          .tokens = *rc::gen::arbitrary<uint64_t>()};
}
uint64_t any64() { return *rc::gen::arbitrary<uint64_t>(); }
uint32_t any32() { return *rc::gen::arbitrary<uint32_t>(); }
uint8_t any8() { return *rc::gen::arbitrary<uint8_t>(); }
DataStatus any_status() {
  return static_cast<DataStatus>(*rc::gen::inRange(0, static_cast<int>(DataStatus::kRefused) + 1));
}
Precision any_precision() { return *rc::gen::element(Precision::kFp32, Precision::kBf16); }
Record any_record() {
  Record record{.step = any64(),
                .map = any_map(),
                .origin = any64(),
                .plan = any64(),
                .apply = *rc::gen::arbitrary<bool>(),
                .scale = 0.5f,
                .learning_rate = 0.25f,
                .bias_correction1 = 0.125f,
                .bias_correction2 = 3.0f,
                .applied_steps = any64(),
                .skipped_in_a_row = any32(),
                .training = any_sum(),
                .gradient_norm = 1.5,
                .evaluation = {}};
  if (*rc::gen::arbitrary<bool>()) record.evaluation = any_sum();
  return record;
}

Message any_message() {
  switch (*rc::gen::inRange(0, 10)) {
    case 0:
      return Push{any64(), any64(), any_map(), any64(), any32(), any32(), any_sum()};
    case 1:
      return PushAck{any64(), any64(), any32(), any32(), any_status(), any_map(), any64()};
    case 2:
      return Pull{any64(), any64(), any_map(), any64(), any32(), any_precision()};
    case 3:
      return PullReply{any64(), any32(), any64(), any_status(), any_map(), any64()};
    case 4:
      return PushInitial{any64(), any64(), any_map(), any32()};
    case 5:
      return PushInitialAck{any64(), any64(), any_map(), any32(), any_status()};
    case 6: {
      Root root{any64(), any64(), any_map(), any64(), any32(), any_sum(), any64(), {}};
      if (*rc::gen::arbitrary<bool>()) root.previous = any_record();
      return root;
    }
    case 7:
      return RootAck{any64(), any_map(), any64(), any32()};
    case 8:
      return Copy{any64(), any64(), any_map(), any64(), any32(), any8(), any8()};
    default:
      return CopyAck{any64(), any_map(), any64(), any32(), any8()};
  }
}

bool has_payload(const Message& message) {
  return std::holds_alternative<Push>(message) || std::holds_alternative<PullReply>(message) ||
         std::holds_alternative<PushInitial>(message) || std::holds_alternative<Root>(message) ||
         std::holds_alternative<Copy>(message);
}

DataHeader any_header() {
  DataHeader header;
  header.job_hash = any64();
  header.from_incarnation = any64();
  header.to_incarnation = any64();
  header.message = any_message();
  if (has_payload(header.message) && *rc::gen::arbitrary<bool>()) {
    header.encoding = Encoding::kDenseFp32;
    header.payload_bytes = 4 * *rc::gen::inRange<uint32_t>(1, 262145);
    const bool pulled = std::holds_alternative<PullReply>(header.message);
    if (pulled && any_precision() == Precision::kBf16) {
      header.encoding = Encoding::kDenseBf16;
      header.payload_bytes = 2 * *rc::gen::inRange<uint32_t>(1, 524289);
    }
  }
  return header;
}

RC_GTEST_PROP(DataHeader, ComesBackAsItWas, ()) {
  const DataHeader header = any_header();
  const std::vector<std::byte> bytes = encode_data_header(header);
  const auto parsed = parse_data_header(bytes, bytes.size() + header.payload_bytes);
  RC_ASSERT(parsed.has_value());
  RC_ASSERT(parsed->header_bytes == bytes.size());
  RC_ASSERT(parsed->encoding == header.encoding);
  RC_ASSERT(parsed->payload_bytes == header.payload_bytes);
  RC_ASSERT(encode_data_header(*parsed) == bytes);
  RC_ASSERT(parsed->message.index() == header.message.index());
}

RC_GTEST_PROP(DataHeader, EveryTruncationIsRefused, ()) {
  const std::vector<std::byte> bytes = encode_data_header(any_header());
  for (size_t size = 0; size < bytes.size(); ++size) {
    RC_ASSERT(!parse_data_header({bytes.data(), size}, size).has_value());
  }
}

RC_GTEST_PROP(DataHeader, AnotherLengthIsRefused, (int difference)) {
  RC_PRE(difference != 0);
  const DataHeader header = any_header();
  const std::vector<std::byte> bytes = encode_data_header(header);
  const size_t total = bytes.size() + header.payload_bytes + static_cast<size_t>(difference);
  RC_ASSERT(!parse_data_header(bytes, total).has_value());
}

// Byte soup, with and without a sound beginning. What is accepted must be what encode writes.
RC_GTEST_PROP(DataHeader, SoupNeverCrashes, (std::vector<uint8_t> soup)) {
  std::vector<std::byte> bytes = encode_data_header(any_header());
  const size_t keep = *rc::gen::inRange<size_t>(0, bytes.size() + 1);
  bytes.resize(keep);
  for (const uint8_t byte : soup) bytes.push_back(std::byte{byte});
  const auto parsed = parse_data_header(bytes, bytes.size());
  if (!parsed) {
    RC_ASSERT(parsed.error().code == ErrorCode::kCorrupt);
    RC_ASSERT(parsed.error().message.starts_with("data header byte "));
    return;
  }
  const std::vector<std::byte> again = encode_data_header(*parsed);
  RC_ASSERT(std::memcmp(again.data(), bytes.data(), again.size()) == 0);
}

struct Damage {
  size_t byte;
  uint8_t value;
  const char* message;
};

TEST(DataHeader, NamesTheByteThatIsWrong) {
  DataHeader header;
  header.message = Push{};
  header.encoding = Encoding::kDenseFp32;
  header.payload_bytes = 64;
  const std::vector<std::byte> sound = encode_data_header(header);
  for (const Damage& damage :
       {Damage{0, 'X', "byte 0: magic"}, Damage{4, 9, "byte 4: version 9"},
        Damage{5, 77, "byte 5: message kind 77"}, Damage{6, 4, "byte 6: encoding 4"},
        Damage{6, 3, "byte 6: only what was pulled is bfloat16"}, Damage{7, 1, "byte 7: padding"},
        Damage{32, 63, "byte 32: 63 payload bytes are no row of floats"},
        Damage{32, 60, "byte 32: 64 bytes follow the header, 60"},
        Damage{36, 1, "byte 36: padding"}}) {
    std::vector<std::byte> bytes = sound;
    bytes[damage.byte] = std::byte{damage.value};
    const auto parsed = parse_data_header(bytes, bytes.size() + header.payload_bytes);
    ASSERT_FALSE(parsed) << damage.message;
    EXPECT_NE(parsed.error().message.find(damage.message), std::string::npos)
        << parsed.error().message;
  }
}

TEST(DataHeader, APullNamesItsEncodingInAByteThatWasZeroBefore) {
  DataHeader header;
  header.message = Pull{};
  std::vector<std::byte> bytes = encode_data_header(header);
  EXPECT_EQ(bytes[7], std::byte{0});
  bytes[7] = std::byte{3};
  const auto rounded = parse_data_header(bytes, bytes.size());
  ASSERT_TRUE(rounded) << rounded.error().message;
  EXPECT_EQ(std::get<Pull>(rounded->message).precision, Precision::kBf16);
  EXPECT_EQ(encode_data_header(*rounded), bytes);
  for (const int wrong : {1, 2, 4}) {
    bytes[7] = static_cast<std::byte>(wrong);
    const auto parsed = parse_data_header(bytes, bytes.size());
    ASSERT_FALSE(parsed);
    EXPECT_NE(parsed.error().message.find("byte 7: encoding"), std::string::npos)
        << parsed.error().message;
  }
}

TEST(DataHeader, RefusesAnOddNumberOfBytesOfBfloat16) {
  DataHeader header;
  header.message = PullReply{};
  header.encoding = Encoding::kDenseBf16;
  header.payload_bytes = 63;
  const std::vector<std::byte> bytes = encode_data_header(header);
  const auto parsed = parse_data_header(bytes, bytes.size() + header.payload_bytes);
  ASSERT_FALSE(parsed);
  EXPECT_NE(parsed.error().message.find("63 payload bytes are no row of bfloat16"),
            std::string::npos);
}

TEST(DataHeader, RefusesAPieceThatIsTooLong) {
  DataHeader header;
  header.message = Push{};
  header.encoding = Encoding::kDenseFp32;
  header.payload_bytes = kMaxPieceBytes + 4;
  const std::vector<std::byte> bytes = encode_data_header(header);
  const auto parsed = parse_data_header(bytes, bytes.size() + header.payload_bytes);
  ASSERT_FALSE(parsed);
  EXPECT_NE(parsed.error().message.find("at most 1048576"), std::string::npos);
}

TEST(DataHeader, RefusesAPayloadWhereNoneBelongs) {
  DataHeader header;
  header.message = Pull{};
  header.encoding = Encoding::kDenseFp32;
  header.payload_bytes = 4;
  const std::vector<std::byte> bytes = encode_data_header(header);
  const auto parsed = parse_data_header(bytes, bytes.size() + 4);
  ASSERT_FALSE(parsed);
  EXPECT_NE(parsed.error().message.find("has no payload"), std::string::npos);
}

}  // namespace
}  // namespace ballast
