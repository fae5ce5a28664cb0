// The peer that the data plane is measured against: the same bytes as raw ByteBuffers over one gRPC
// stream, sent from memory that is there already, and dropped as they come or copied once to where
// they are to stay, which whoever keeps them must do. Nothing of ours takes part.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

namespace ballast::bench {

enum class Received : uint8_t { kDropped, kCopied };

// Serves until its standard input ends; prints "host:port" or the unix address on a line.
void serve_raw(const std::string& listen, std::shared_ptr<grpc::ServerCredentials> credentials,
               size_t pieces, size_t piece_bytes, Received received);

class RawClient {
 public:
  RawClient(const std::string& address, std::shared_ptr<grpc::ChannelCredentials> credentials,
            size_t pieces, size_t piece_bytes, Received received);
  ~RawClient();
  double push_seconds();  // all pieces, until the server has them
  double pull_seconds();

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace ballast::bench
