// The peer that the data plane is measured against: the same bytes as raw ByteBuffers over one gRPC
// stream, received and dropped, sent from memory that is there already. Nothing of ours takes part.
#pragma once

#include <memory>
#include <string>

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

namespace ballast::bench {

// Serves until its standard input ends; prints "host:port" or the unix address on a line.
void serve_raw(const std::string& listen, std::shared_ptr<grpc::ServerCredentials> credentials,
               size_t pieces, size_t piece_bytes);

class RawClient {
 public:
  RawClient(const std::string& address, std::shared_ptr<grpc::ChannelCredentials> credentials,
            size_t pieces, size_t piece_bytes);
  ~RawClient();
  double push_seconds();  // all pieces, until the server has them
  double pull_seconds();

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace ballast::bench
