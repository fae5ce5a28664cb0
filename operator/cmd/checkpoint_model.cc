#include "operator/cmd/checkpoint_model.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include "ballast/v1/job.pb.h"
#include "services/checkpoint/checkpoint.h"

namespace ballast::cmd {
namespace {

namespace fs = std::filesystem;

// Newest first: the folders below `path` that hold a complete checkpoint, as runs leave them.
std::vector<fs::path> folders_of_runs(const fs::path& path) {
  std::vector<std::pair<fs::file_time_type, fs::path>> found;
  std::error_code error;
  auto entry = fs::directory_iterator(path, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::error_code ignored;
    if (!entry->is_directory(ignored)) continue;
    const auto checkpoints = list_checkpoints(entry->path());
    if (!checkpoints) continue;
    for (const CheckpointEntry& checkpoint : *checkpoints) {
      const auto written = fs::last_write_time(checkpoint.directory / kManifestName, ignored);
      if (checkpoint.complete && !ignored) found.emplace_back(written, entry->path());
    }
  }
  std::sort(found.rbegin(), found.rend());
  std::vector<fs::path> folders;
  for (auto& [written, folder] : found) {
    if (std::find(folders.begin(), folders.end(), folder) == folders.end()) {
      folders.push_back(std::move(folder));
    }
  }
  return folders;
}

Result<v1::JobConfig> parse_config(const Manifest& manifest) {
  if (manifest.job_config.empty()) {
    return fail(ErrorCode::kInvalid, "its manifest does not say what job it is of");
  }
  v1::JobConfig config;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;  // a later version may say more
  const auto parsed =
      google::protobuf::util::JsonStringToMessage(manifest.job_config, &config, options);
  if (!parsed.ok()) {
    return fail(ErrorCode::kInvalid, fmt::format("job_config: {}", parsed.message().ToString()));
  }
  if (config.model().family() != "gpt") {
    return fail(ErrorCode::kInvalid, fmt::format("its model is of the family '{}', expected gpt",
                                                 config.model().family()));
  }
  return config;
}

Result<Layout> layout_of(const GptConfig& config, const Manifest& manifest) {
  auto layout = gpt_layout(config);
  if (layout && layout_hash(*layout) != layout_hash(manifest.layout)) {
    return fail(ErrorCode::kInvalid,
                fmt::format("its {} tensors with {} elements are not those of the model and "
                            "tokenizer that it names, {} with {}",
                            manifest.layout.tensors.size(), manifest.layout.elements,
                            layout->tensors.size(), layout->elements));
  }
  return layout;
}

Result<CheckpointModel> open_model(const fs::path& directory) {
  CheckpointModel model;
  auto parameters = read_parameters(directory);
  if (!parameters) return tl::unexpected(parameters.error());
  model.parameters = std::move(*parameters);
  auto manifest = read_manifest(directory);
  if (!manifest) return tl::unexpected(manifest.error());
  model.manifest = std::move(*manifest);
  const auto config = parse_config(model.manifest);
  if (!config) return tl::unexpected(config.error());
  auto tokenizer = make_tokenizer(config->data().tokenizer(), directory);
  if (!tokenizer) return tl::unexpected(tokenizer.error());
  model.tokenizer = std::move(*tokenizer);
  const auto activation = parse_activation(config->model().activation());
  if (!activation) return tl::unexpected(activation.error());
  model.config = {.layers = config->model().layers(),
                  .heads = config->model().heads(),
                  .channels = config->model().embedding(),
                  .context = config->model().context(),
                  .vocabulary = model.tokenizer->vocabulary_size(),
                  .activation = *activation,
                  .dropout = config->model().dropout()};
  auto layout = layout_of(model.config, model.manifest);
  if (!layout) return tl::unexpected(layout.error());
  model.layout = std::move(*layout);
  return model;
}

}  // namespace

Result<fs::path> find_checkpoint(const fs::path& path, std::vector<std::string>& passed_over) {
  std::error_code error;
  if (!fs::exists(path, error)) {
    return fail(ErrorCode::kNotFound, fmt::format("{} does not exist", path.string()));
  }
  if (!fs::is_directory(path, error)) {
    return fail(
        ErrorCode::kInvalid,
        fmt::format("{} is no folder; expected a checkpoint or a folder of them", path.string()));
  }
  const fs::path named = path.has_filename() ? path : path.parent_path();
  if (fs::exists(path / kManifestName, error) || parse_directory_name(named.filename().string())) {
    return path;
  }
  std::vector<fs::path> folders = folders_of_runs(path);
  folders.insert(folders.begin(), path);
  for (const fs::path& folder : folders) {
    std::vector<DamagedCheckpoint> damaged;
    const auto found = newest_whole_checkpoint(folder, &damaged);
    for (const DamagedCheckpoint& one : damaged) passed_over.push_back(one.error);
    if (found) return found->directory;
    if (found.error().code != ErrorCode::kNotFound) return tl::unexpected(found.error());
  }
  return fail(ErrorCode::kNotFound, fmt::format("no complete checkpoint in {}", path.string()));
}

Result<CheckpointModel> open_checkpoint_model(const fs::path& checkpoint) {
  auto model = open_model(checkpoint);
  if (model || model.error().code == ErrorCode::kCorrupt) return model;
  return fail(model.error().code,
              fmt::format("checkpoint {}: {}", checkpoint.string(), model.error().message));
}

Result<std::vector<Token>> encode_prompt(const Tokenizer& tokenizer, const std::string& prompt) {
  auto tokens = tokenizer.encode_all(prompt);
  if (tokens || prompt != kDefaultPrompt) return tokens;
  return std::vector<Token>{tokenizer.document_separator()};
}

}  // namespace ballast::cmd
