// Numbers that no other process will draw: incarnations, UIDs, names of folders. From the kernel's
// random source. Any thread. Never for training: its random numbers are functions of the seed.
#pragma once

#include <cstdint>
#include <string>

namespace ballast {

// 64 random bits, never 0. For the incarnation of a process.
uint64_t random_id();

// An RFC 4122 version 4 UUID, as Kubernetes writes it: "6f1c...-....-4...-[89ab]...-............".
std::string random_uuid();

}  // namespace ballast
