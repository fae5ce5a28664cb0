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

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include "ballast/v1/job.pb.h"
#include "common/file.h"
#include "operator/local/job_config.h"
#include "services/checkpoint/checkpoint.h"

namespace ballast::cmd {
namespace {

namespace fs = std::filesystem;

// A run that was killed holds its lock until the last of its processes has ended.
constexpr std::chrono::milliseconds kPatience{3'000};
constexpr std::chrono::milliseconds kLookAgain{20};

struct RunFolderFound {
  fs::path folder;
  std::vector<CheckpointEntry> entries;
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
    if (!found) found = RunFolderFound{folder, *entries, written};
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

template <typename Value>
Result<void> same(const char* field, const Value& found, const Value& expected) {
  if (found == expected) return {};
  return fail(ErrorCode::kInvalid,
              fmt::format("--resume: spec.model.{} is {}, but the checkpoint is of a model with {}",
                          field, found, expected));
}

Result<void> check_model(const Manifest& manifest, const api::TrainingJob& job) {
  v1::JobConfig config;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;  // a later version may say more
  if (!google::protobuf::util::JsonStringToMessage(manifest.job_config, &config, options).ok()) {
    return {};  // an early checkpoint, which does not say: the layout alone is compared
  }
  const v1::ModelConfig ours = local::job_config(job).model();
  const v1::ModelConfig& theirs = config.model();
  const std::string activation = theirs.activation().empty() ? "geluTanh" : theirs.activation();
  return same("family", ours.family(), theirs.family())
      .and_then([&] { return same("layers", ours.layers(), theirs.layers()); })
      .and_then([&] { return same("heads", ours.heads(), theirs.heads()); })
      .and_then([&] { return same("embedding", ours.embedding(), theirs.embedding()); })
      .and_then([&] { return same("context", ours.context(), theirs.context()); })
      .and_then([&] { return same("activation", ours.activation(), activation); });
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
  const auto whole = newest_whole_checkpoint(run->folder, &resume.passed_over);
  if (!whole) {
    std::string message = "--resume: no checkpoint in " + run->folder.string() + " is whole";
    for (const std::string& line : resume.passed_over) message += "\n  " + line;
    return fail(ErrorCode::kCorrupt, message);
  }
  const auto manifest = read_manifest(whole->directory);
  if (!manifest) return tl::unexpected(manifest.error());
  if (auto done = check_model(*manifest, job); !done) return tl::unexpected(done.error());
  resume.job_uid = manifest->job_uid;
  resume.point.checkpoint = whole->directory.string();
  for (const CheckpointEntry& entry : run->entries) {
    resume.point.term = std::max(resume.point.term, entry.id.term);
    auto& list = entry.complete ? resume.point.checkpoints : resume.point.deletable;
    list.push_back(entry.directory.string());
  }
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
