#include "operator/cmd/checkpoints_command.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/exit_code.h"
#include "common/human.h"
#include "services/checkpoint/checkpoint.h"

namespace ballast::cmd {
namespace {

namespace fs = std::filesystem;

// The folder itself, and those of runs in it.
std::vector<fs::path> folders_of(const fs::path& folder) {
  std::vector<fs::path> folders = {folder};
  std::error_code error;
  for (auto it = fs::directory_iterator(folder, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    if (it->path().filename().string().starts_with("run-")) folders.push_back(it->path());
  }
  std::sort(folders.begin() + 1, folders.end());
  return folders;
}

uint64_t bytes_of(const Manifest& manifest) {
  uint64_t bytes = 0;
  for (const PartInfo& part : manifest.parts) bytes += part.bytes;
  return bytes;
}

struct Line {
  std::string state;  // "whole", "damaged", "unreadable", "not complete"
  std::string detail;
};

Line judge(const CheckpointEntry& entry) {
  if (!entry.complete) return {"not complete", "being written, or whoever wrote it has died"};
  const auto whole = verify_checkpoint(entry.directory);
  if (!whole) return {is_damage(whole.error()) ? "damaged" : "unreadable", whole.error().message};
  const auto manifest = read_manifest(entry.directory);
  if (!manifest) return {"damaged", manifest.error().message};
  return {"whole",
          fmt::format("{} files, {}", manifest->parts.size(), human_bytes(bytes_of(*manifest)))};
}

}  // namespace

int checkpoints_command(const CheckpointsOptions& options) {
  std::error_code error;
  if (!fs::is_directory(options.folder, error)) {
    std::fprintf(stderr, "%s: no such folder\n", options.folder.c_str());
    return to_status(ExitCode::kUsage);
  }
  bool any = false;
  bool damaged = false;
  for (const fs::path& folder : folders_of(options.folder)) {
    const auto entries = list_checkpoints(folder);
    if (!entries) {
      std::fprintf(stderr, "%s\n", entries.error().message.c_str());
      return to_status(ExitCode::kFailed);
    }
    any = any || !entries->empty();
    for (const CheckpointEntry& entry : *entries) {
      const Line line = judge(entry);
      damaged = damaged || line.state == "damaged" || line.state == "unreadable";
      if (options.json) {
        const nlohmann::json out = {{"directory", entry.directory.string()},
                                    {"step", entry.id.step},
                                    {"term", entry.id.term},
                                    {"state", line.state},
                                    {"detail", line.detail}};
        std::printf("%s\n",
                    out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
      } else {
        std::printf("%-13s step %-8llu %s  (%s)\n", line.state.c_str(),
                    static_cast<unsigned long long>(entry.id.step),
                    entry.directory.string().c_str(), line.detail.c_str());
      }
    }
  }
  if (!any) std::fprintf(stderr, "no checkpoints in %s\n", options.folder.c_str());
  return to_status(damaged ? ExitCode::kFailed : ExitCode::kDone);
}

}  // namespace ballast::cmd
