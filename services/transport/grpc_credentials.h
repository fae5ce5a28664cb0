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

// Of PEM files that gRPC reads again every `reload_ms`, from a thread of its own: who connects from
// then on meets what is in them; connections that stand go on. Whom they reach is not compared with
// the address, since addresses come and go: ask peer_identity() once a connection stands.
struct Credentials {
  std::shared_ptr<grpc::ServerCredentials> server_tls;
  std::shared_ptr<grpc::ChannelCredentials> client_tls;
};
// kInvalid: nothing in PEM form; kUnavailable: what a renewal mends, an ended certificate or files
// that do not belong together.
Result<Credentials> load_credentials(const Security& security, TimeMs reload_ms);

// Over unix sockets and in trusted networks: nothing. With TLS: the identity in the certificate.
Result<std::optional<PeerIdentity>> peer_identity(const Security& security,
                                                  std::string_view address,
                                                  const grpc::AuthContext* context);

}  // namespace ballast
