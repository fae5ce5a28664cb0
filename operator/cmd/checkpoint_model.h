// A checkpoint as a model that people can use: found, verified, with its tokenizer and parameters.
// The folder alone is enough; the job's data is not asked for. Plain values.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/error.h"
#include "services/checkpoint/manifest.h"
#include "services/data/tokenizer.h"
#include "services/engine/gpt.h"

namespace ballast::cmd {

// `path` is a checkpoint's folder, the folder that a job writes its checkpoints to, or the one
// above it, where `ballast run` makes a folder for each run: then the newest complete and undamaged
// one. `passed_over` gets a line for each newer one that is damaged.
Result<std::filesystem::path> find_checkpoint(const std::filesystem::path& path,
                                              std::vector<std::string>& passed_over);

struct CheckpointModel {
  Manifest manifest;
  GptConfig config;
  Layout layout;
  std::unique_ptr<Tokenizer> tokenizer;
  std::vector<float> parameters;  // the arena
};

// kNotFound: not a checkpoint, or not a complete one. kCorrupt names the file. kInvalid: it does
// not say what model it is of, or one that this program does not know.
Result<CheckpointModel> open_checkpoint_model(const std::filesystem::path& checkpoint);

// What a text begins with when nobody says: the end of a line, or, where the text of the training
// had none, the begin of a document.
inline constexpr const char* kDefaultPrompt = "\n";
Result<std::vector<Token>> encode_prompt(const Tokenizer& tokenizer, const std::string& prompt);

}  // namespace ballast::cmd
