#include "operator/cmd/resume.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "common/file.h"
#include "operator/local/job_config.h"
#include "services/checkpoint/history.h"

namespace ballast::cmd {
namespace {

namespace fs = std::filesystem;

// A run that was killed holds its lock until the last of its processes has ended.
constexpr std::chrono::milliseconds kPatience{3'000};
constexpr std::chrono::milliseconds kLookAgain{20};

struct RunFolderFound {
  fs::path folder;
  fs::file_time_type latest;  // manifest
};

std::optional<RunFolderFound> look_at(const fs::path& folder) {
  const auto entries = list_checkpoints(folder);
  if (!entries) return std::nullopt;
  std::optional<RunFolderFound> found;
  for (const CheckpointEntry& entry : *entries) {
    std::error_code error;
    const auto written = fs::last_write_time(entry.directory / kManifestName, error);
    if (!entry.complete || error) continue;
    if (!found) found = RunFolderFound{folder, written};
    found->latest = std::max(found->latest, written);
  }
  return found;
}

// The run that wrote last.
std::optional<RunFolderFound> latest_run(const fs::path& base) {
  std::optional<RunFolderFound> latest;
  std::error_code error;
  for (auto it = fs::directory_iterator(base, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    if (!it->path().filename().string().starts_with("run-")) continue;
    auto found = look_at(it->path());
    if (found && (!latest || found->latest > latest->latest)) latest = std::move(found);
  }
  return latest;
}

}  // namespace

Result<Resume> find_resume(const fs::path& base, const api::TrainingJob& job) {
  const auto run = latest_run(base);
  if (!run) {
    return fail(ErrorCode::kNotFound,
                "--resume: no run in " + base.string() + " has a complete checkpoint");
  }
  Resume resume;
  resume.folder = run->folder;
  auto history = read_history(run->folder, local::job_config_json(job));
  if (!history) {
    return fail(history.error().code, "--resume: " + history.error().message);
  }
  for (const DamagedCheckpoint& one : history->damaged) resume.passed_over.push_back(one.error);
  if (history->newest.empty()) {
    std::string message = "--resume: no checkpoint in " + run->folder.string() + " is whole";
    for (const std::string& line : resume.passed_over) message += "\n  " + line;
    return fail(ErrorCode::kCorrupt, message);
  }
  const auto manifest = read_manifest(history->newest);
  if (!manifest) return tl::unexpected(manifest.error());
  resume.job_uid = manifest->job_uid;
  resume.point = {std::move(history->newest), std::move(history->complete),
                  std::move(history->incomplete), history->highest_term};
  return resume;
}

Result<CheckpointLock> CheckpointLock::take(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return tl::unexpected(file_error(error.value(), "make the checkpoint folder", folder));
  const fs::path path = folder / "run.lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return tl::unexpected(file_error(errno, "open", path));
  CheckpointLock lock(fd);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(kLookAgain);  // sleeps: nobody tells when a lock is free
      continue;
    }
    return fail(ErrorCode::kConflict,
                "another run writes its checkpoints to " + folder.string() + "; wait for its end");
  }
  return lock;
}

CheckpointLock::~CheckpointLock() {
  if (fd_ >= 0) ::close(fd_);
}

CheckpointLock::CheckpointLock(CheckpointLock&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)) {}

}  // namespace ballast::cmd
