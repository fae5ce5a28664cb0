#include "services/checkpoint/export.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/check.h"
#include "common/random_id.h"
#include "services/checkpoint/safetensors.h"
#include "services/storage/atomic_file.h"

namespace ballast {
namespace {

namespace fs = std::filesystem;

// transformers' names of the tensors: the model lies within one that has a head.
std::string exported_name(const Tensor& tensor) { return "transformer." + tensor.name; }

// Keys of transformers' GPT2Config. The head is tied to the token table and has no tensor.
std::string config_json(const ExportedModel& model) {
  const nlohmann::ordered_json config = {{"architectures", {"GPT2LMHeadModel"}},
                                         {"model_type", "gpt2"},
                                         {"vocab_size", model.vocabulary},
                                         {"n_positions", model.context},
                                         {"n_embd", model.channels},
                                         {"n_layer", model.layers},
                                         {"n_head", model.heads},
                                         {"activation_function", model.activation},
                                         {"layer_norm_epsilon", 1e-5},
                                         {"embd_pdrop", model.dropout},
                                         {"attn_pdrop", model.dropout},
                                         {"resid_pdrop", model.dropout},
                                         {"bos_token_id", model.document_separator},
                                         {"eos_token_id", model.document_separator},
                                         {"tie_word_embeddings", true},
                                         {"torch_dtype", "float32"}};
  return config.dump(2) + "\n";
}

Result<void> write_file(FileSystem& files, const fs::path& path, std::string_view content) {
  auto file = AtomicFile::create(files, path);
  if (!file) return tl::unexpected<Error>(std::move(file.error()));
  return file->append(as_bytes(content)).and_then([&] {
    return file->commit(AtomicFile::IfExists::kFail);
  });
}

Result<void> write_tensors(FileSystem& files, const fs::path& path, const ExportedModel& model) {
  std::vector<SafetensorsEntry> entries;
  for (const Tensor& tensor : model.layout->tensors) {
    entries.push_back({exported_name(tensor), DType::kF32, tensor.shape});
  }
  auto writer = SafetensorsWriter::create(files, path, entries, {{"format", "pt"}});
  if (!writer) return tl::unexpected<Error>(std::move(writer.error()));
  for (const Tensor& tensor : model.layout->tensors) {
    const auto values = model.parameters.subspan(tensor.offset, tensor.elements);
    if (auto done = writer->append(values); !done) return done;
  }
  const auto written = writer->finish(AtomicFile::IfExists::kFail);
  if (!written) return tl::unexpected<Error>(written.error());
  return {};
}

Result<void> write_all(FileSystem& files, const fs::path& folder, const ExportedModel& model) {
  if (auto done = files.make_folders(folder); !done) return done;
  if (auto done = write_tensors(files, folder / "model.safetensors", model); !done) return done;
  for (const ExportedFile& file : model.files) {
    if (auto done = write_file(files, folder / file.name, file.content); !done) return done;
  }
  return write_file(files, folder / "config.json", config_json(model));
}

}  // namespace

Result<void> check_export_directory(const fs::path& directory) {
  std::error_code error;
  const fs::file_status found = fs::symlink_status(directory, error);
  if (!fs::exists(found)) return {};
  if (fs::is_directory(directory, error) && fs::is_empty(directory, error) && !error) return {};
  return fail(
      ErrorCode::kAlreadyExists,
      fmt::format("{} is there already; expected a new or empty folder", directory.string()));
}

Result<void> export_model(FileSystem& files, const fs::path& directory,
                          const ExportedModel& model) {
  CHECK(model.layout != nullptr && model.parameters.size() == model.layout->elements);
  if (auto done = check_export_directory(directory); !done) return done;
  fs::path named = fs::absolute(directory).lexically_normal();  // "model/", "." and the like
  if (!named.has_filename()) named = named.parent_path();
  fs::path temporary = named;
  temporary += fmt::format(".{:016x}{}", random_id(), kTemporarySuffix);
  auto done = write_all(files, temporary, model).and_then([&] {
    return files.rename(temporary, named);  // over an empty folder, too
  });
  if (done) {
    return files.sync_folder(named.parent_path());
  }
  std::error_code ignored;
  fs::remove_all(temporary, ignored);
  return done;
}

}  // namespace ballast
