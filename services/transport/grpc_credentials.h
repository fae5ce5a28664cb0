// gRPC's credentials for one address, and what a connection's certificate says. Stateless; any
// thread.
#pragma once

#include <memory>
#include <optional>

#include <grpcpp/security/auth_context.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include "common/error.h"
#include "services/transport/hello.h"
#include "services/transport/security.h"

namespace ballast {

// The PEM files, read once.
struct Credentials {
  std::shared_ptr<grpc::ServerCredentials> server_tls;
  std::shared_ptr<grpc::ChannelCredentials> client_tls;
};
Result<Credentials> load_credentials(const Security& security);

// Over unix sockets and in trusted networks: nothing. With TLS: the identity in the certificate.
Result<std::optional<PeerIdentity>> peer_identity(const Security& security,
                                                  std::string_view address,
                                                  const grpc::AuthContext* context);

}  // namespace ballast
