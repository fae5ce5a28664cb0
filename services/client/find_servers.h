// The servers that a worker was told of, as addresses. Names of pods lead somewhere only once the
// pod has an address, and elsewhere when another pod has the name: find_servers waits for the
// first, and ServerLookup looks again for as long as a worker has nobody to follow.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
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

// seek may be called by any thread. A look that is under way (it may last as long as the name
// service lets it) delays the end of the object.
class ServerLookup {
 public:
  using Found = std::function<void(std::vector<std::string> addresses)>;  // on a thread of its own

  // Looks every `every_ms` while sought, for the first time after as long. `names.wait` is not
  // used.
  ServerLookup(std::vector<std::string> servers, NameService names, Found found,
               int64_t every_ms = kLongestLookAgainMs);
  void seek(bool sought);

 private:
  void run(const std::stop_token& stop);

  const std::vector<std::string> servers_;
  const NameService names_;
  const Found found_;
  const int64_t every_ms_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool sought_ = false;  // guarded by mutex_
  std::jthread thread_;  // last: ends before anything else does
};

}  // namespace ballast
