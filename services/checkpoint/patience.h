// Reading checkpoints back where the volume may not answer for a moment. Any thread.
#pragma once

#include <filesystem>
#include <functional>
#include <stop_token>

#include "common/error.h"

namespace ballast {

// Waits before attempt 1, 2, ... after the first one; false: no more of them.
using Patience = std::function<bool(int attempt)>;

// Of who has nobody waiting: 1, 2, 4, 8 and 16 seconds, until told to stop.
Patience half_a_minute(const std::stop_token& stop);

// Whether what says so is wrong with the checkpoint itself. Otherwise nothing is known of it: it
// could not be read, for want of descriptors, rights, or a volume that answers.
bool is_damage(const Error& error);

// verify_checkpoint, again while it cannot be read for a reason that may pass. Without patience
// once.
Result<void> verify_patiently(const std::filesystem::path& directory, const Patience& patience,
                              const std::stop_token& stop = {});

}  // namespace ballast
