#include "operator/cluster/expected.h"

namespace ballast::cluster {

bool Expected::ask(const std::string& what, int64_t now_ms) {
  const MutexLock lock(mutex_);
  const auto [place, is_new] = until_ms_.try_emplace(what, now_ms + kExpectWithinMs);
  if (is_new) return true;
  if (now_ms < place->second) return false;
  place->second = now_ms + kExpectWithinMs;
  return true;
}

void Expected::settle(const std::string& what) {
  const MutexLock lock(mutex_);
  until_ms_.erase(what);
}

}  // namespace ballast::cluster
