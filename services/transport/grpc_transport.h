// The gRPC adapter of Transport: two bidirectional streams a session, one of control frames and one
// of raw data messages, over one completion queue that poll drains. gRPC's types stay inside;
// its log lines are dropped unless GRPC_VERBOSITY is set.
#pragma once

#include <memory>

#include "services/transport/transport.h"

namespace ballast {

// kInvalid: options; kAlreadyExists: address in use, or a live process holds the socket; kDenied:
// the socket's folder is open to others, or a file of the credentials cannot be read.
Result<std::unique_ptr<Transport>> make_grpc_transport(TransportOptions options);

}  // namespace ballast
