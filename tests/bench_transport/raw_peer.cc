#include "tests/bench_transport/raw_peer.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "common/check.h"

namespace ballast::bench {
namespace {

constexpr int kMaxMessageBytes = 4 << 20;

grpc::ByteBuffer small() {
  const grpc::Slice slice("x");
  return grpc::ByteBuffer(&slice, 1);
}

// A message that refers to memory which stays.
grpc::ByteBuffer piece_of(const std::vector<char>& memory, size_t index, size_t bytes) {
  const grpc::Slice slice(memory.data() + index * bytes, bytes, grpc::Slice::STATIC_SLICE);
  return grpc::ByteBuffer(&slice, 1);
}

void copy_out(const grpc::ByteBuffer& message, char* into) {
  std::vector<grpc::Slice> slices;
  CHECK(message.Dump(&slices).ok());
  for (const grpc::Slice& slice : slices) {
    std::memcpy(into, slice.begin(), slice.size());
    into += slice.size();
  }
}

bool next(grpc::CompletionQueue& queue) {
  void* tag = nullptr;
  bool ok = false;
  return queue.Next(&tag, &ok) && ok;
}

double seconds(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

void serve_raw(const std::string& listen, std::shared_ptr<grpc::ServerCredentials> credentials,
               size_t pieces, size_t piece_bytes, Received received) {
  grpc::AsyncGenericService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(listen, std::move(credentials), &port);
  builder.RegisterAsyncGenericService(&service);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  const std::unique_ptr<grpc::ServerCompletionQueue> queue = builder.AddCompletionQueue();
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  CHECK(server != nullptr);
  const std::string address =
      listen.starts_with("unix:") ? listen : "127.0.0.1:" + std::to_string(port);
  std::printf("%s\n", address.c_str());
  std::fflush(stdout);
  const std::jthread ends_with_parent([] {
    char byte;
    while (::read(0, &byte, 1) > 0) {
    }
    std::_Exit(0);
  });

  std::vector<char> memory(pieces * piece_bytes, 1);
  grpc::GenericServerContext context;
  grpc::GenericServerAsyncReaderWriter stream(&context);
  service.RequestCall(&context, &stream, queue.get(), queue.get(), &context);
  if (!next(*queue)) return;
  std::vector<char> kept(received == Received::kCopied ? memory.size() : 0);
  for (size_t count = 0;;) {
    grpc::ByteBuffer message;
    stream.Read(&message, &message);
    if (!next(*queue)) std::_Exit(0);
    if (message.Length() == piece_bytes) {
      if (!kept.empty()) copy_out(message, kept.data() + count % pieces * piece_bytes);
      if (++count % pieces != 0) continue;
      stream.Write(small(), &message);
      if (!next(*queue)) std::_Exit(0);
      continue;
    }
    for (size_t i = 0; i < pieces; ++i) {
      stream.Write(piece_of(memory, i, piece_bytes), &message);
      if (!next(*queue)) std::_Exit(0);
    }
  }
}

struct RawClient::Stream {
  size_t pieces;
  size_t piece_bytes;
  std::vector<char> memory;
  std::vector<char> kept;  // empty: what comes is dropped
  grpc::CompletionQueue queue;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<grpc::GenericStub> stub;
  grpc::ClientContext context;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call;
};

RawClient::RawClient(const std::string& address,
                     std::shared_ptr<grpc::ChannelCredentials> credentials, size_t pieces,
                     size_t piece_bytes, Received received)
    : stream_(new Stream{
          .pieces = pieces,
          .piece_bytes = piece_bytes,
          .memory = std::vector<char>(pieces * piece_bytes, 1),
          .kept = std::vector<char>(received == Received::kCopied ? pieces * piece_bytes : 0),
          .queue = {},
          .channel = {},
          .stub = {},
          .context = {},
          .call = {}}) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  stream_->channel = grpc::CreateCustomChannel(address, credentials, arguments);
  stream_->stub = std::make_unique<grpc::GenericStub>(stream_->channel);
  stream_->call = stream_->stub->PrepareCall(&stream_->context, "/raw/Stream", &stream_->queue);
  stream_->call->StartCall(stream_.get());
  CHECK(next(stream_->queue));
}

RawClient::~RawClient() {
  stream_->context.TryCancel();
  stream_->queue.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (stream_->queue.Next(&tag, &ok)) {
  }
}

double RawClient::push_seconds() {
  const auto start = std::chrono::steady_clock::now();
  for (size_t i = 0; i < stream_->pieces; ++i) {
    stream_->call->Write(piece_of(stream_->memory, i, stream_->piece_bytes), stream_.get());
    CHECK(next(stream_->queue));
  }
  grpc::ByteBuffer answer;
  stream_->call->Read(&answer, stream_.get());
  CHECK(next(stream_->queue));
  return seconds(start);
}

double RawClient::pull_seconds() {
  const auto start = std::chrono::steady_clock::now();
  stream_->call->Write(small(), stream_.get());
  CHECK(next(stream_->queue));
  for (size_t i = 0; i < stream_->pieces; ++i) {
    grpc::ByteBuffer message;
    stream_->call->Read(&message, stream_.get());
    CHECK(next(stream_->queue));
    CHECK(message.Length() == stream_->piece_bytes);
    if (!stream_->kept.empty()) copy_out(message, stream_->kept.data() + i * stream_->piece_bytes);
  }
  return seconds(start);
}

}  // namespace ballast::bench
