#include "operator/cmd/report_command.h"

#include <cstdio>
#include <filesystem>

#include "common/exit_code.h"
#include "common/file.h"
#include "common/unix_time.h"
#include "operator/api/validate.h"
#include "operator/cmd/find_record.h"
#include "operator/report/page.h"
#include "operator/report/record.h"
#include "operator/report/story.h"

namespace ballast::cmd {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMostBytes = 64u << 20;  // of a file; runs keep far less

Result<std::string> read_if_there(const fs::path& file) {
  auto text = read_file(file, kMostBytes);
  if (!text && text.error().code == ErrorCode::kNotFound) return std::string();
  return text;
}

// A file that cannot be read is a problem that the page tells.
report::Record read_folder(const fs::path& folder) {
  report::RecordTexts texts;
  std::vector<std::string> problems;
  for (const auto& [name, text] : {std::pair{report::kOlderEventsFile, &texts.older_events},
                                   {report::kEventsFile, &texts.events},
                                   {report::kPointsFile, &texts.points}}) {
    auto read = read_if_there(folder / name);
    if (read) {
      *text = std::move(*read);
    } else {
      problems.push_back(read.error().message);
    }
  }
  report::Record record = report::read_record(texts);
  record.problems.insert(record.problems.begin(), problems.begin(), problems.end());
  return record;
}

int refuse(const Error& error, ExitCode code) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  return to_status(code);
}

}  // namespace

int report_command(const ReportOptions& options) {
  const auto found = find_record(options.run);
  if (!found) return refuse(found.error(), ExitCode::kUsage);
  const report::Record record = read_folder(found->folder);
  const std::string page =
      report::page_of(record, {found->held, unix_now_ms(), found->folder.string(), options.build});
  const std::string name = report::story_of(record, found->held).job_name;
  // A record may come from anywhere: what is no job's name becomes no file's.
  const fs::path output = options.output.empty()
                              ? fs::path((api::is_dns_label(name) ? name : "run") + "-report.html")
                              : fs::path(options.output);
  const auto written = write_file_atomically(output, page);
  if (!written) return refuse(written.error(), ExitCode::kFailed);
  for (const std::string& problem : record.problems)
    std::fprintf(stderr, "warning: %s\n", problem.c_str());
  std::printf("%s\n", fs::absolute(output).c_str());
  return to_status(ExitCode::kDone);
}

}  // namespace ballast::cmd
