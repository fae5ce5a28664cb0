// A model as a directory that Hugging Face's transformers loads as a GPT2LMHeadModel: config.json,
// model.safetensors with GPT-2's names and shapes, and the tokenizer's files. The directory appears
// whole under its name or not at all. Any thread; one writer a directory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "common/error.h"
#include "services/core/layout.h"
#include "services/storage/file_system.h"

namespace ballast {

struct ExportedFile {
  std::string name;
  std::string content;
};

struct ExportedModel {
  uint32_t layers = 0;
  uint32_t heads = 0;
  uint32_t channels = 0;
  uint32_t context = 0;
  uint32_t vocabulary = 0;
  std::string activation = "gelu_new";  // as transformers calls it: gelu_new, or gelu
  double dropout = 0;                   // of further training
  uint32_t document_separator = 0;      // the token that begins and ends a text
  const Layout* layout = nullptr;       // tensors named and shaped as GPT-2's
  std::span<const float> parameters;    // the arena
  std::vector<ExportedFile> files;      // the tokenizer's
};

// kAlreadyExists: it is there and not an empty folder.
Result<void> check_export_directory(const std::filesystem::path& directory);

Result<void> export_model(FileSystem& files, const std::filesystem::path& directory,
                          const ExportedModel& model);

}  // namespace ballast
