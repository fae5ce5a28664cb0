// Messages to and from gRPC's buffers, and the arguments that connections are made with. Stateless;
// any thread.
#pragma once

#include <grpcpp/server_builder.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/channel_arguments.h>

#include "ballast/v1/control.pb.h"
#include "services/transport/data_header.h"
#include "services/transport/hello.h"
#include "services/transport/payload.h"
#include "services/transport/transport.h"

namespace ballast {

grpc::ByteBuffer to_buffer(const v1::Frame& frame);
// The header is copied, the payload is not.
grpc::ByteBuffer to_buffer(const DataHeader& header, OutgoingPayload payload);
grpc::ByteBuffer hello_to_data(uint64_t job, const Hello& hello, const grpc::ByteBuffer& frame);

bool parse_frame(const grpc::ByteBuffer& message, v1::Frame& frame);
bool parse_frame(const ReceivedPayload& payload, v1::Frame& frame);

struct DataMessage {
  DataHeader header;
  ReceivedPayload payload;  // references the buffer's slices
};
Result<DataMessage> parse_data(const grpc::ByteBuffer& message);

void set_server_arguments(grpc::ServerBuilder& builder, const TransportLimits& limits);
grpc::ChannelArguments caller_arguments(const TransportLimits& limits);

}  // namespace ballast
