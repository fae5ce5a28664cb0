#include "operator/local/find_run.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/file.h"
#include "operator/api/status_json.h"
#include "operator/local/run_folder.h"

namespace ballast::local {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxFileBytes = 16u << 20;

std::optional<FoundRun> look_at(const fs::path& folder) {
  const auto config = read_file(folder / "job.json", kMaxFileBytes);
  if (!config) return std::nullopt;
  const auto job = nlohmann::json::parse(*config, nullptr, false);
  FoundRun run;
  run.folder = folder;
  if (!job.is_object() || !job.contains("name") || !job["name"].is_string()) return std::nullopt;
  run.job_name = job["name"].get<std::string>();
  run.running = is_locked(folder / "status.lock");
  const auto text = read_file(folder / "status.json", kMaxFileBytes);
  if (!text) return run;  // it has just begun
  auto status = api::status_from_json(*text);
  if (status) run.status = std::move(*status);
  return run;
}

fs::file_time_type changed_at(const FoundRun& run) {
  std::error_code error;
  const auto time = fs::last_write_time(run.folder / "status.json", error);
  return error ? fs::file_time_type::min() : time;
}

std::vector<FoundRun> all_runs() {
  std::vector<FoundRun> runs;
  const auto base = RunFolder::base();
  std::error_code error;
  if (!base) return runs;
  for (auto it = fs::directory_iterator(*base, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    std::error_code unreachable;
    const fs::path folder = fs::canonical(it->path(), unreachable);
    if (unreachable) continue;
    if (auto run = look_at(folder)) runs.push_back(std::move(*run));
  }
  return runs;
}

}  // namespace

bool is_locked(const fs::path& lock) {
  const int fd = ::open(lock.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool locked = ::flock(fd, LOCK_SH | LOCK_NB) != 0;
  ::close(fd);
  return locked;
}

Result<FoundRun> find_run(const std::string& name) {
  std::error_code error;
  if (fs::is_directory(name, error)) {
    auto run = look_at(fs::absolute(name).lexically_normal());
    if (!run) return fail(ErrorCode::kNotFound, name + " is not the folder of a run");
    return std::move(*run);
  }
  std::vector<FoundRun> runs = all_runs();
  std::erase_if(runs, [&](const FoundRun& run) { return run.job_name != name; });
  std::sort(runs.begin(), runs.end(), [](const FoundRun& a, const FoundRun& b) {
    return std::pair{a.running, changed_at(a)} > std::pair{b.running, changed_at(b)};
  });
  if (runs.empty()) {
    return fail(ErrorCode::kNotFound, "no run of a job named " + name + " is on this machine");
  }
  if (runs.size() > 1 && runs[1].running) {
    std::string folders;
    for (const FoundRun& run : runs) {
      if (run.running) folders += "\n  " + run.folder.string();
    }
    return fail(ErrorCode::kConflict,
                "several runs of " + name + " go on; name the folder of one:" + folders);
  }
  return std::move(runs.front());
}

}  // namespace ballast::local
