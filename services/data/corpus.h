// Which files a job trains on: `data.train` expanded into a list. An entry is a file, a folder (all
// regular files below it, hidden ones left out, links followed, loops harmless) or a glob (* ? [..]
// within a name, ** for any number of folders). Reads the file system; any thread.
//
// Invariant: files are in ascending order of their canonical paths (byte by byte), each once,
// whatever the order of the entries: the token stream depends on the set of files alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "common/checksum.h"
#include "common/error.h"

namespace ballast {

struct CorpusFile {
  std::filesystem::path path;  // canonical
  uint64_t bytes = 0;          // never 0: empty files are left out
  int64_t modified_ns = 0;     // since the epoch

  bool operator==(const CorpusFile&) const = default;
};

struct Corpus {
  std::vector<CorpusFile> files;
  uint64_t bytes = 0;

  bool operator==(const Corpus&) const = default;
};

// Errors name the entry or the file: an entry that matches nothing (kNotFound), a file or folder
// that cannot be read (kDenied), something that is neither file nor folder, no entries, no text in
// any of the files (kInvalid).
Result<Corpus> expand_corpus(std::span<const std::string> entries);

// Adds all that tells one corpus from another: paths, sizes and times, not what the files hold.
void hash_corpus(const Corpus& corpus, Xxh3& hash);

}  // namespace ballast
