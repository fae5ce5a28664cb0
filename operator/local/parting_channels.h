// Where channels go that nobody needs any more. gRPC 1.51 forgets to close the connection of a
// channel that is let go while it connects (Subchannel::OnConnectingFinishedLocked, where it was
// shut down); so it is kept until it has connected, or has failed to. Any thread.
#pragma once

#include <memory>

#include <grpcpp/channel.h>

namespace ballast::local {

// Takes the last reference, and lets go of it on a thread of its own. Its connecting has an end:
// GRPC_ARG_MIN_RECONNECT_BACKOFF_MS bounds it.
void part_with(std::shared_ptr<grpc::Channel> channel);

}  // namespace ballast::local
