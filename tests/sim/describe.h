// One line for a message, an event or a process, for traces that people read.
#pragma once

#include <string>

#include "services/core/effects.h"

namespace ballast::sim {

std::string describe(const ProcessId& id);
std::string describe(const MapVersion& version);
std::string describe(const Record& record);
std::string describe(const Message& message);
// Empty for Tick.
std::string describe(const Event& event);
// Effects other than Send; empty for those that only move buffers.
std::string describe(const Effect& effect);

}  // namespace ballast::sim
