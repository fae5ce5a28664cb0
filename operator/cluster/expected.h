// What was asked of the API server and is not seen yet: a watch is a little late, and whoever
// decides from what it brought must not ask for the same again. What is not seen for some seconds
// is asked for again: a repeat is harmless. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "common/mutex.h"

namespace ballast::cluster {

inline constexpr int64_t kExpectWithinMs = 5'000;

class Expected {
 public:
  // True once: then it is the caller's to ask for it. False: it was asked for, and may still come.
  bool ask(const std::string& what, int64_t now_ms);
  // It was seen, or asking for it has failed.
  void settle(const std::string& what);

 private:
  Mutex mutex_;
  std::map<std::string, int64_t> until_ms_ BALLAST_GUARDED_BY(mutex_);
};

}  // namespace ballast::cluster
