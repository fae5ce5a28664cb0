#include "operator/core/process_index.h"

#include <algorithm>
#include <charconv>
#include <tuple>

namespace ballast::decide {

ProcessIndex::ProcessIndex(const Observed& observed) {
  all_.reserve(observed.processes.size());
  for (const Process& process : observed.processes) all_.push_back(&process);
  std::sort(all_.begin(), all_.end(), [](const Process* a, const Process* b) {
    return std::tie(a->role, a->index) < std::tie(b->role, b->index);
  });
}

const Process* ProcessIndex::find(Role role, int64_t index) const {
  const auto at = std::lower_bound(all_.begin(), all_.end(), std::pair(role, index),
                                   [](const Process* process, const std::pair<Role, int64_t>& key) {
                                     return std::pair(process->role, process->index) < key;
                                   });
  const bool found = at != all_.end() && (*at)->role == role && (*at)->index == index;
  return found ? *at : nullptr;
}

const Process* ProcessIndex::find(std::string_view name) const {
  const auto parsed = parse_process_name(name);
  return parsed ? find(parsed->first, parsed->second) : nullptr;
}

std::string process_name(Role role, int64_t index) {
  return (role == Role::kServer ? "ps-" : "worker-") + std::to_string(index);
}

std::optional<std::pair<Role, int64_t>> parse_process_name(std::string_view name) {
  const bool server = name.starts_with("ps-");
  const std::string_view digits =
      server ? name.substr(3) : name.substr(std::min<size_t>(7, name.size()));
  if (!server && !name.starts_with("worker-")) return std::nullopt;
  const bool plain = !digits.empty() && digits.front() >= '0' && digits.front() <= '9';
  if (!plain || (digits.front() == '0' && digits.size() > 1)) return std::nullopt;
  int64_t index = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return std::pair(server ? Role::kServer : Role::kWorker, index);
}

}  // namespace ballast::decide
