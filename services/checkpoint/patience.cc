#include "services/checkpoint/patience.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "services/checkpoint/checkpoint.h"

namespace ballast {

Patience half_a_minute(const std::stop_token& stop) {
  return [stop](int attempt) {
    constexpr int kMostAttempts = 5;
    if (attempt > kMostAttempts) return false;
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, std::chrono::seconds(1 << (attempt - 1)), [] { return false; });
    return !stop.stop_requested();
  };
}

bool is_damage(const Error& error) {
  return error.code == ErrorCode::kCorrupt || error.code == ErrorCode::kInvalid ||
         error.code == ErrorCode::kNotFound;
}

Result<void> verify_patiently(const std::filesystem::path& directory, const Patience& patience,
                              const std::stop_token& stop) {
  for (int attempt = 1;; ++attempt) {
    auto verified = verify_checkpoint(directory, stop);
    const bool may_pass =
        !verified && !is_damage(verified.error()) && verified.error().code != ErrorCode::kDenied;
    if (!may_pass || stop.stop_requested() || !patience || !patience(attempt)) return verified;
  }
}

}  // namespace ballast
