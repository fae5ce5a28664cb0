#include "services/data/corpus.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/file.h"

namespace ballast {
namespace {

using std::filesystem::path;

constexpr int kMaxDepth = 128;  // folders within folders

// Names in a folder but "." and "..", ascending byte by byte.
Result<std::vector<std::string>> list_folder(const path& folder) {
  DIR* stream = ::opendir(folder.c_str());
  if (stream == nullptr) return fail_errno("reading folder", folder);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  const int error_number = errno;
  ::closedir(stream);
  if (error_number != 0) {
    return tl::unexpected<Error>(file_error(error_number, "reading folder", folder));
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool is_pattern(std::string_view name) { return name.find_first_of("*?[") != name.npos; }

bool nowhere(int error_number) { return error_number == ENOENT || error_number == ELOOP; }

class Expansion {
 public:
  Result<void> add_entry(const std::string& entry) {
    if (entry.empty()) return fail(ErrorCode::kInvalid, "an entry of the data is empty");
    const uint64_t met_before = met_;
    struct stat info {};
    const bool pattern = is_pattern(entry) && ::stat(entry.c_str(), &info) != 0;
    if (auto done = pattern ? add_pattern(entry) : add_named(entry); !done) return done;
    if (met_ > met_before) return {};
    return fail(ErrorCode::kNotFound,
                fmt::format("data {}: {}", entry, pattern ? "no file matches" : "no file in it"));
  }

  Result<Corpus> finish() {
    Corpus corpus;
    for (auto& [name, file] : files_) {
      if (file.bytes == 0) continue;
      corpus.bytes += file.bytes;
      corpus.files.push_back(std::move(file));
    }
    if (!corpus.files.empty()) return corpus;
    if (files_.empty()) return fail(ErrorCode::kInvalid, "no files of data are named");
    const std::string example = files_.begin()->first;
    return fail(ErrorCode::kInvalid,
                files_.size() == 1
                    ? fmt::format("data {}: the file is empty", example)
                    : fmt::format("all {} data files are empty, {} first", files_.size(), example));
  }

 private:
  Result<void> add_named(const path& name) {
    struct stat info {};
    if (::stat(name.c_str(), &info) != 0) return fail_errno("data", name);
    if (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode)) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("data {}: neither a regular file nor a folder", name.string()));
    }
    return add_found(name, 0);
  }

  // What a listing or a pattern came upon: sockets, devices and links to nowhere are no text.
  Result<void> add_found(const path& name, int depth) {
    struct stat info {};
    if (::stat(name.c_str(), &info) != 0) {
      if (nowhere(errno)) return {};
      return fail_errno("data", name);
    }
    if (S_ISDIR(info.st_mode)) return add_folder(name, info, depth);
    if (S_ISREG(info.st_mode)) return add_file(name, info);
    return {};
  }

  Result<void> add_file(const path& name, const struct stat& info) {
    ++met_;
    std::error_code error;
    path canonical = std::filesystem::canonical(name, error);
    if (error) return tl::unexpected<Error>(file_error(error.value(), "data", name));
    if (::access(canonical.c_str(), R_OK) != 0) return fail_errno("reading data", name);
    std::string key = canonical.string();
    const int64_t modified_ns = int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
    files_.insert_or_assign(
        std::move(key),
        CorpusFile{std::move(canonical), static_cast<uint64_t>(info.st_size), modified_ns});
    return {};
  }

  Result<void> add_folder(const path& folder, const struct stat& info, int depth) {
    // Each folder once, by what it is and not by its name: links may lead back to where we are.
    if (!visited_.emplace(info.st_dev, info.st_ino).second) {
      ++met_;
      return {};
    }
    if (depth > kMaxDepth) return too_deep(folder);
    auto names = list_folder(folder);
    if (!names) return tl::unexpected<Error>(std::move(names.error()));
    for (const auto& name : *names) {
      if (name.starts_with('.')) continue;
      if (auto done = add_found(folder / name, depth + 1); !done) return done;
    }
    return {};
  }

  Result<void> add_pattern(const path& pattern) {
    std::vector<std::string> parts;
    for (const auto& part : pattern.relative_path()) {
      if (part.empty()) continue;  // "folder/*/" means "folder/*"
      if (part == "**" && !parts.empty() && parts.back() == "**") continue;
      parts.push_back(part.string());
    }
    return match(pattern.root_path(), parts, 0, 0);
  }

  // Adds what lies below `base` and matches parts[next] and all after it.
  Result<void> match(const path& base, const std::vector<std::string>& parts, size_t next,
                     int depth) {
    if (next == parts.size()) return add_found(base, depth);
    if (depth > kMaxDepth) return too_deep(base);
    const std::string& part = parts[next];
    if (!is_pattern(part)) return match(base / part, parts, next + 1, depth + 1);

    const path folder = base.empty() ? path(".") : base;
    struct stat info {};
    if (::stat(folder.c_str(), &info) != 0) {
      if (nowhere(errno) || errno == ENOTDIR) return {};
      return fail_errno("data", folder);
    }
    if (!S_ISDIR(info.st_mode)) return {};
    const bool any_depth = part == "**";
    if (any_depth) {
      if (auto done = match(base, parts, next + 1, depth); !done) return done;
    }
    auto names = list_folder(folder);
    if (!names) return tl::unexpected<Error>(std::move(names.error()));
    for (const auto& name : *names) {
      const path inner = base / name;
      Result<void> done;
      if (any_depth) {
        // Links are not followed here: they may lead back up.
        const bool enters =
            !name.starts_with('.') && ::lstat(inner.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
        if (enters) done = match(inner, parts, next, depth + 1);
      } else if (::fnmatch(part.c_str(), name.c_str(), FNM_PERIOD) == 0) {
        done = match(inner, parts, next + 1, depth + 1);
      }
      if (!done) return done;
    }
    return {};
  }

  static Result<void> too_deep(const path& folder) {
    return fail(ErrorCode::kInvalid,
                fmt::format("data {}: more than {} folders deep", folder.string(), kMaxDepth));
  }

  std::map<std::string, CorpusFile> files_;    // by canonical path, empty ones too
  std::set<std::pair<dev_t, ino_t>> visited_;  // folders
  uint64_t met_ = 0;                           // files, however often met
};

}  // namespace

Result<Corpus> expand_corpus(std::span<const std::string> entries) {
  Expansion expansion;
  for (const auto& entry : entries) {
    if (auto done = expansion.add_entry(entry); !done) {
      return tl::unexpected<Error>(std::move(done.error()));
    }
  }
  return expansion.finish();
}

void hash_corpus(const Corpus& corpus, Xxh3& hash) {
  const auto add = [&](uint64_t value) { hash.update(std::as_bytes(std::span(&value, 1))); };
  add(corpus.files.size());
  for (const auto& file : corpus.files) {
    const std::string& name = file.path.native();
    add(name.size());
    hash.update(as_bytes(name));
    add(file.bytes);
    add(static_cast<uint64_t>(file.modified_ns));
  }
}

}  // namespace ballast
