// Control messages to and from their wire form (proto/ballast/v1/control.proto). Pure functions;
// any thread.
//
// Invariant: decode(encode(e)) == e. What decode lets through is consistent in itself: known enums,
// indices in range, layouts as make_layout makes them; the machines still check terms and meaning.
#pragma once

#include "ballast/v1/control.pb.h"
#include "common/error.h"
#include "services/core/messages.h"
#include "services/transport/hello.h"

namespace ballast {

// `envelope.message` must be a control message (not is_data).
v1::Frame encode_frame(const Envelope& envelope);
v1::Frame encode_hello(const Hello& hello, const ProcessId& to);

// kCorrupt, naming the field: "map_update.map.segments[3].primary: 9 is not below 2".
Result<Envelope> decode_frame(const v1::Frame& frame);
Result<Hello> decode_hello(const v1::Frame& frame);

}  // namespace ballast
