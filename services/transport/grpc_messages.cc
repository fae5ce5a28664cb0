#include "services/transport/grpc_messages.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <grpcpp/support/proto_buffer_reader.h>

namespace ballast {
namespace {

// A received message may be as long as a control frame, on any stream of the connection.
void common_arguments(const TransportLimits& limits, auto set) {
  set(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, static_cast<int>(limits.control_frame_bytes));
  set(GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, static_cast<int>(limits.control_frame_bytes));
  set(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(limits.keepalive_ms));
  set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, static_cast<int>(limits.keepalive_ms));
  set(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
}

}  // namespace

grpc::ByteBuffer to_buffer(const v1::Frame& frame) {
  const grpc::Slice slice(frame.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

grpc::ByteBuffer to_buffer(const DataHeader& header, OutgoingPayload payload) {
  const std::vector<std::byte> bytes = encode_data_header(header);
  std::array<grpc::Slice, 2> slices{grpc::Slice(bytes.data(), bytes.size())};
  if (payload.bytes().empty()) return grpc::ByteBuffer(slices.data(), 1);
  auto* owner = new OutgoingPayload(std::move(payload));
  const std::span<const std::byte> values = owner->bytes();
  slices[1] = grpc::Slice(
      const_cast<std::byte*>(values.data()), values.size(),
      [](void* held) { delete static_cast<OutgoingPayload*>(held); }, owner);
  return grpc::ByteBuffer(slices.data(), 2);
}

grpc::ByteBuffer hello_to_data(uint64_t job, const Hello& hello, const grpc::ByteBuffer& frame) {
  DataHeader header;
  header.job_hash = job;
  header.from_incarnation = hello.from.incarnation;
  header.encoding = Encoding::kHello;
  header.payload_bytes = static_cast<uint32_t>(frame.Length());
  header.hello = true;
  const std::vector<std::byte> bytes = encode_data_header(header);
  std::vector<grpc::Slice> slices;
  (void)frame.Dump(&slices);
  slices.insert(slices.begin(), grpc::Slice(bytes.data(), bytes.size()));
  return grpc::ByteBuffer(slices.data(), slices.size());
}

bool parse_frame(const grpc::ByteBuffer& message, v1::Frame& frame) {
  grpc::ByteBuffer copy(message);
  grpc::ProtoBufferReader reader(&copy);
  return reader.status().ok() && frame.ParseFromZeroCopyStream(&reader);
}

bool parse_frame(const ReceivedPayload& payload, v1::Frame& frame) {
  std::string bytes;
  for (const auto& piece : payload.pieces) {
    bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  }
  return frame.ParseFromString(bytes);
}

Result<DataMessage> parse_data(const grpc::ByteBuffer& message) {
  auto slices = std::make_shared<std::vector<grpc::Slice>>();
  if (!message.Dump(slices.get()).ok())
    return fail(ErrorCode::kCorrupt, "the message cannot be read");
  std::array<std::byte, kMaxDataHeaderBytes> start;
  size_t have = 0;
  for (const grpc::Slice& slice : *slices) {
    const size_t take = std::min(slice.size(), start.size() - have);
    std::memcpy(start.data() + have, slice.begin(), take);
    have += take;
    if (have == start.size()) break;
  }
  Result<DataHeader> header = parse_data_header({start.data(), have}, message.Length());
  if (!header) return tl::unexpected(header.error());
  DataMessage parsed{.header = std::move(*header), .payload = {}};
  size_t skip = parsed.header.header_bytes;
  for (const grpc::Slice& slice : *slices) {
    const size_t skipped = std::min(skip, slice.size());
    skip -= skipped;
    if (skipped == slice.size()) continue;
    parsed.payload.pieces.push_back(
        {reinterpret_cast<const std::byte*>(slice.begin()) + skipped, slice.size() - skipped});
  }
  parsed.payload.owner = std::move(slices);
  if (parsed.header.encoding == Encoding::kDenseBf16) parsed.payload.precision = Precision::kBf16;
  return parsed;
}

void set_server_arguments(grpc::ServerBuilder& builder, const TransportLimits& limits) {
  common_arguments(limits,
                   [&](const char* name, int value) { builder.AddChannelArgument(name, value); });
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 8);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
}

grpc::ChannelArguments caller_arguments(const TransportLimits& limits) {
  grpc::ChannelArguments arguments;
  common_arguments(limits, [&](const char* name, int value) { arguments.SetInt(name, value); });
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL,
                   1);  // a connection of its own for each stream
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS,
                   static_cast<int>(limits.connect_backoff_first_ms));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
                   static_cast<int>(limits.connect_backoff_last_ms));
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);  // the time limit of one attempt
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return arguments;
}

}  // namespace ballast
