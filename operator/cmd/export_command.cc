#include "operator/cmd/export_command.h"

#include <cstdio>
#include <filesystem>

#include <fmt/format.h>

#include "common/exit_code.h"
#include "operator/cmd/checkpoint_model.h"
#include "services/checkpoint/export.h"
#include "services/data/hugging_face_tokenizer.h"

namespace ballast::cmd {
namespace {

int tell(const Error& error, ExitCode code) {
  std::fprintf(stderr, "ballast export: %s\n", error.message.c_str());
  return to_status(code);
}

ExportedModel exported(const CheckpointModel& model) {
  ExportedModel out;
  out.layers = model.config.layers;
  out.heads = model.config.heads;
  out.channels = model.config.channels;
  out.context = model.config.context;
  out.vocabulary = model.config.vocabulary;
  out.activation = model.config.activation == Gelu::kTanh ? "gelu_new" : "gelu";
  out.dropout = model.config.dropout;
  out.document_separator = model.tokenizer->document_separator();
  out.layout = &model.layout;
  out.parameters = model.parameters;
  for (const TokenizerFile& file : hugging_face_tokenizer(*model.tokenizer, model.config.context)) {
    out.files.push_back({file.name, file.content});
  }
  return out;
}

}  // namespace

int export_command(const ExportCommandOptions& options) {
  if (auto free = check_export_directory(options.directory); !free) {
    return tell(free.error(), ExitCode::kUsage);
  }
  std::vector<std::string> passed_over;
  const auto checkpoint = find_checkpoint(options.checkpoint, passed_over);
  for (const std::string& line : passed_over) {
    std::fprintf(stderr, "ballast export: passed over a damaged checkpoint: %s\n", line.c_str());
  }
  if (!checkpoint) return tell(checkpoint.error(), ExitCode::kUsage);
  const auto model = open_checkpoint_model(*checkpoint);
  if (!model) return tell(model.error(), ExitCode::kUsage);
  RealFileSystem files;
  if (auto done = export_model(files, options.directory, exported(*model)); !done) {
    const bool taken = done.error().code == ErrorCode::kAlreadyExists;
    return tell(done.error(), taken ? ExitCode::kUsage : ExitCode::kFailed);
  }
  std::printf("%s: the model of %s, step %llu\n", options.directory.c_str(),
              model->manifest.job_name.c_str(),
              static_cast<unsigned long long>(model->manifest.id.step));
  return to_status(ExitCode::kDone);
}

}  // namespace ballast::cmd
