#include "services/checkpoint/history.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "services/checkpoint/strict_json.h"

namespace ballast {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kMaxConfigDepth = 16;
constexpr uint64_t kMostTerm = uint64_t{1} << 62;  // others come after it
constexpr std::array kModelFields = {"family", "layers", "heads", "embedding", "context"};
constexpr const char* kActivation = "activation";
constexpr const char* kFirstActivation = "geluTanh";  // of checkpoints that do not say

// Nothing: it does not say what model it is of.
std::optional<json> model_of(std::string_view job_config) {
  const auto config = parse_strict_json(job_config, kMaxConfigDepth);
  if (!config || !config->is_object()) return std::nullopt;
  const auto model = config->find("model");
  if (model == config->end() || !model->is_object()) return std::nullopt;
  return *model;
}

std::string text_of(const json& model, const char* field, const char* otherwise) {
  const auto value = model.find(field);
  if (value == model.end()) return otherwise;
  const std::string text = value->is_string() ? value->get<std::string>() : value->dump();
  return text.empty() ? otherwise : text;
}

// What does not say its model is compared by its layout alone, when it is restored.
Result<void> check_model(const Manifest& manifest, std::string_view job_config) {
  const auto ours = model_of(job_config);
  const auto theirs = model_of(manifest.job_config);
  if (!ours || !theirs) return {};
  const auto same = [&](const char* field, const char* otherwise) -> Result<void> {
    const std::string expected = text_of(*theirs, field, otherwise);
    const std::string found = text_of(*ours, field, otherwise);
    if (found == expected) return {};
    return fail(ErrorCode::kInvalid,
                fmt::format("spec.model.{} is {}, but the checkpoint is of a model with {}", field,
                            found, expected));
  };
  for (const char* field : kModelFields) {
    if (auto checked = same(field, "none"); !checked) return checked;
  }
  return same(kActivation, kFirstActivation);
}

}  // namespace

std::vector<std::string> abandoned_before(const fs::path& complete) {
  std::vector<std::string> abandoned;
  const auto entries = list_checkpoints(complete.parent_path());
  if (!entries) return abandoned;
  const auto order = [](const CheckpointId& id) {
    return std::tuple{id.term, id.step, id.attempt};
  };
  const auto found =
      std::find_if(entries->begin(), entries->end(),
                   [&](const CheckpointEntry& entry) { return entry.directory == complete; });
  for (const CheckpointEntry& entry : *entries) {
    if (found != entries->end() && !entry.complete && order(entry.id) < order(found->id))
      abandoned.push_back(entry.directory.string());
  }
  return abandoned;
}

Result<void> check_belongs(const fs::path& folder, const fs::path& directory) {
  const auto refuse = [&](const char* why) {
    return fail(ErrorCode::kDenied, fmt::format("{} is no checkpoint in {}: {}", directory.string(),
                                                folder.string(), why));
  };
  if (folder.empty()) return refuse("the job has no folder of checkpoints");
  if (!parse_directory_name(directory.filename().string())) {
    return refuse("it is not named step-<t>-term-<term>-attempt-<a>");
  }
  // A trailing slash is an empty name.
  const fs::path normal = (folder / "").lexically_normal();
  if (std::find(directory.begin(), directory.end(), "..") != directory.end() ||
      (directory.parent_path() / "").lexically_normal() != normal) {
    return refuse("it lies elsewhere");
  }
  std::error_code ignored;
  if (fs::is_symlink(fs::symlink_status(directory, ignored))) return refuse("it is a link");
  return {};
}

Result<void> remove_if_there(const fs::path& directory) {
  RealFileSystem files;
  auto removed = remove_checkpoint(files, directory);
  const bool gone = !removed && removed.error().code == ErrorCode::kNotFound;
  return gone ? Result<void>() : removed;
}

Result<CheckpointHistory> read_history(const fs::path& folder, std::string_view job_config,
                                       const std::stop_token& stop, const Patience& patience) {
  const auto entries = list_checkpoints(folder);
  if (!entries) return tl::unexpected(entries.error());
  CheckpointHistory history;
  for (const CheckpointEntry& entry : *entries) {
    if (entry.id.term > kMostTerm) {
      return fail(
          ErrorCode::kInvalid,
          entry.directory.string() + ": no job has had so many terms; it was not made by one");
    }
    history.highest_term = std::max(history.highest_term, entry.id.term);
    auto& list = entry.complete ? history.complete : history.incomplete;
    list.push_back(entry.directory.string());
  }
  if (history.complete.empty()) return history;
  const auto whole = newest_whole_checkpoint(folder, &history.damaged, stop, patience);
  if (!whole && whole.error().code == ErrorCode::kNotFound) return history;
  if (!whole) return tl::unexpected(whole.error());
  const auto manifest = read_manifest(whole->directory);
  if (!manifest) return tl::unexpected(manifest.error());
  if (auto same = check_model(*manifest, job_config); !same) return tl::unexpected(same.error());
  history.newest = whole->directory.string();
  return history;
}

}  // namespace ballast
