// The servers that a worker was told of, as addresses: waits until one of their names leads
// somewhere, since names of pods do only once the pod has an address. Of others than the first that
// are not known by then the member list will tell. No thread of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/address.h"

namespace ballast {

struct NameService {
  // The numeric address of a host; empty: its name leads nowhere now.
  std::function<std::string(const std::string& host)> resolve;
  std::function<void(int64_t ms)> wait;
};

// Of this machine. Its wait ends with the process alone: who wants that sends a signal.
NameService system_name_service();

inline constexpr int64_t kFirstLookAgainMs = 100;
inline constexpr int64_t kLongestLookAgainMs = 1'000;

// `servers`: unix:/PATH or HOST:PORT, valid, and at least one. One name a look: a thousand workers
// may be waiting.
std::vector<std::string> find_servers(const std::vector<std::string>& servers,
                                      const NameService& names);

}  // namespace ballast
