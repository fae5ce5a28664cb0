// The small files of a checkpoint beside its parts: the vocabulary of the model's tokenizer.
// Written before the manifest, which has their checksums. Any thread.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "common/error.h"
#include "services/checkpoint/manifest.h"
#include "services/storage/file_system.h"

namespace ballast {

// A file of that name is replaced: attempts of one checkpoint write the same.
Result<FileInfo> write_small_file(FileSystem& files, const std::filesystem::path& directory,
                                  const std::string& name, std::string_view content);

// The content, held against what the manifest says of it: kCorrupt names the file and what is
// wrong.
Result<std::string> read_small_file(const std::filesystem::path& directory, const FileInfo& info);

}  // namespace ballast
