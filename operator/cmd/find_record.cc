#include "operator/cmd/find_record.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "operator/cmd/job_file.h"
#include "operator/local/find_run.h"
#include "operator/report/record.h"

namespace ballast::cmd {
namespace {

namespace fs = std::filesystem;

bool is_record(const fs::path& folder) {
  std::error_code error;
  return fs::exists(folder / report::kEventsFile, error) ||
         fs::exists(folder / report::kPointsFile, error);
}

fs::file_time_type changed_at(const fs::path& record) {
  fs::file_time_type latest = fs::file_time_type::min();
  for (const char* name : {report::kEventsFile, report::kPointsFile}) {
    std::error_code error;
    const auto time = fs::last_write_time(record / name, error);
    if (!error) latest = std::max(latest, time);
  }
  return latest;
}

// The folder itself, of one run, or the latest below the folder of all runs.
std::optional<fs::path> record_in(const fs::path& folder) {
  if (is_record(folder)) return folder;
  if (is_record(folder / kRecordFolder)) return folder / kRecordFolder;
  std::optional<fs::path> latest;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const fs::path record = it->path() / kRecordFolder;
    if (is_record(record) && (!latest || changed_at(record) > changed_at(*latest))) latest = record;
  }
  return latest;
}

FoundRecord found_at(const fs::path& record) {
  std::error_code error;
  const fs::path real = fs::canonical(record, error);
  const fs::path folder = error ? record : real;
  return {folder, local::is_locked(folder.parent_path() / "run.lock")};
}

// Of a run that is on this machine now, or of one whose checkpoints lie where they do by default.
Result<FoundRecord> find_by_name(const std::string& name, const fs::path& checkpoints) {
  const auto run = local::find_run(name);
  if (run) {
    if (const auto record = record_in(run->folder)) return found_at(*record);
  } else if (run.error().code == ErrorCode::kConflict) {
    return tl::unexpected(run.error());
  }
  if (const auto record = record_in(checkpoints)) return found_at(*record);
  return fail(ErrorCode::kNotFound, "no run of a job named " + name + " is on this machine, and " +
                                        checkpoints.string() + " has no record of one");
}

}  // namespace

Result<FoundRecord> find_record(const std::string& run) {
  std::error_code error;
  if (fs::is_directory(run, error)) {
    if (const auto record = record_in(run)) return found_at(*record);
    return fail(ErrorCode::kNotFound,
                run + " has no record of a run: expected the folder of a run or of checkpoints");
  }
  if (!fs::is_regular_file(run, error)) return find_by_name(run, "ballast-checkpoints/" + run);
  const auto job = read_job_file(run, {});
  if (!job) return tl::unexpected(job.error());
  // Where the file's own runs lie comes first: jobs of other files may have the same name.
  const std::string& path = job->spec.checkpoint.path;
  const fs::path checkpoints = path.empty() ? "ballast-checkpoints/" + job->metadata.name : path;
  if (const auto record = record_in(checkpoints)) return found_at(*record);
  return find_by_name(job->metadata.name, checkpoints);
}

}  // namespace ballast::cmd
