#include "services/data/token_cache.h"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/checksum.h"
#include "common/clock.h"
#include "common/descriptor.h"
#include "common/file.h"
#include "services/data/tokenize_corpus.h"

namespace ballast {
namespace {

using std::filesystem::path;

constexpr int64_t kFirstPollMs = 5;  // of a lock that another holds
constexpr int64_t kLongestPollMs = 200;

// Whether the stop came; otherwise the time has passed.
bool wait_or_stop(const std::stop_token& stop, int64_t ms) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, std::chrono::milliseconds(ms), [] { return false; });
  return stop.stop_requested();
}

tl::unexpected<Error> stopped() {
  return fail(ErrorCode::kUnavailable, "stopped while the text was tokenized");
}

// flock has no deadline of its own, so the lock is asked for again and again.
Result<Descriptor> lock_entry(const path& name, const TokenCacheOptions& options) {
  Descriptor file(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (file.get() < 0) return fail_errno("token cache: creating", name);
  const SteadyClock clock;
  const int64_t deadline_ms = clock.now_ms() + options.wait_ms;
  for (int64_t poll_ms = kFirstPollMs;; poll_ms = std::min(2 * poll_ms, kLongestPollMs)) {
    if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return file;
    if (errno != EWOULDBLOCK && errno != EINTR) return fail_errno("token cache: locking", name);
    const int64_t left_ms = deadline_ms - clock.now_ms();
    if (left_ms <= 0) {
      return fail(
          ErrorCode::kTimeout,
          fmt::format("token cache {}: another process held the lock for {} ms; it tokenizes "
                      "the same text or hangs",
                      name.string(), options.wait_ms));
    }
    if (wait_or_stop(options.stop, std::min(poll_ms, left_ms))) return stopped();
  }
}

// Temporaries of processes that were killed; the caller holds the entry's lock, so none is in use.
void remove_leftovers(FileSystem& files, const path& entry) {
  const std::string begin = entry.filename().string() + ".";
  std::error_code ignored;
  std::vector<path> leftovers;
  for (const auto& found : std::filesystem::directory_iterator(entry.parent_path(), ignored)) {
    const std::string name = found.path().filename().string();
    if (name.starts_with(begin) && name.ends_with(kTemporarySuffix)) leftovers.push_back(found);
  }
  for (const auto& leftover : leftovers) std::ignore = files.remove(leftover);
}

// The entry where it is there and whole; nothing where it must be made, with why in `damaged`.
Result<std::optional<TokenFile>> open_entry(const path& entry, const Tokenizer& tokenizer,
                                            std::string& damaged) {
  auto file = TokenFile::open(entry);
  if (!file && file.error().code == ErrorCode::kNotFound) return std::nullopt;
  if (!file && file.error().code == ErrorCode::kCorrupt) {
    damaged = file.error().message;
    return std::nullopt;
  }
  if (!file) return tl::unexpected<Error>(std::move(file.error()));
  if (file->info().tokenizer_fingerprint != tokenizer.fingerprint()) {
    damaged = fmt::format("token file {}: made by another tokenizer", entry.string());
    return std::nullopt;
  }
  return std::move(*file);
}

}  // namespace

path tokenizer_folder(const path& token_file) { return token_file.string() + ".tokenizer"; }

std::string token_cache_key(const Corpus& corpus, const Tokenizer& tokenizer) {
  Xxh3 hash;
  const auto add = [&](uint64_t value) { hash.update(std::as_bytes(std::span(&value, 1))); };
  hash.update(as_bytes("ballast token cache 1"));
  add(kTokenFileVersion);
  add(tokenizer.fingerprint());
  add(tokenizer.vocabulary_size());
  hash_corpus(corpus, hash);
  return to_hex(hash.digest_128());
}

Result<CachedTokens> open_cached_tokens(FileSystem& files, const Corpus& corpus,
                                        const Tokenizer& tokenizer,
                                        const TokenCacheOptions& options) {
  const path folder = options.folder.empty() ? path(".") : options.folder;
  const std::string key = token_cache_key(corpus, tokenizer);
  const path entry = folder / (key + ".tokens");
  std::string damaged;
  auto found = open_entry(entry, tokenizer, damaged);
  if (!found) return tl::unexpected<Error>(std::move(found.error()));
  if (*found) return CachedTokens{std::move(**found), entry, false, ""};

  if (auto done = files.make_folders(folder); !done) {
    return tl::unexpected<Error>(std::move(done.error()));
  }
  const auto lock = lock_entry(folder / (key + ".lock"), options);
  if (!lock) return tl::unexpected<Error>(lock.error());
  // Who held the lock before may have made the entry meanwhile.
  found = open_entry(entry, tokenizer, damaged);
  if (!found) return tl::unexpected<Error>(std::move(found.error()));
  if (*found) return CachedTokens{std::move(**found), entry, false, ""};

  remove_leftovers(files, entry);
  // First, so that a token file is never without the vocabulary that reads it.
  if (auto done = save_tokenizer(files, tokenizer, tokenizer_folder(entry)); !done) {
    return tl::unexpected<Error>(std::move(done.error()));
  }
  auto made = tokenize_corpus(
      files, corpus, tokenizer, entry,
      {.threads = options.threads, .progress = options.progress, .stop = options.stop});
  if (!made) return tl::unexpected<Error>(std::move(made.error()));
  auto file = TokenFile::open(entry);
  if (!file) return tl::unexpected<Error>(std::move(file.error()));
  return CachedTokens{std::move(*file), entry, true, std::move(damaged)};
}

}  // namespace ballast
