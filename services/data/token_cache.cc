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
#include "common/file.h"

namespace ballast {
namespace {

using std::filesystem::path;

constexpr size_t kChunkBytes = 1u << 20;  // of text in memory at a time
constexpr int64_t kFirstPollMs = 5;       // of a lock that another holds
constexpr int64_t kLongestPollMs = 200;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);  // lets a flock go
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

tl::unexpected<Error> fail_errno(std::string_view what, const path& name) {
  return tl::unexpected<Error>(file_error(errno, what, name));
}

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

// Size and time as they were when the corpus was listed: the key of the entry says so.
Result<void> check_unchanged(int fd, const CorpusFile& file) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return fail_errno("reading", file.path);
  const int64_t modified_ns = int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
  if (S_ISREG(info.st_mode) && static_cast<uint64_t>(info.st_size) == file.bytes &&
      modified_ns == file.modified_ns) {
    return {};
  }
  return fail(ErrorCode::kConflict,
              fmt::format("{} changed while it was tokenized ({} bytes, {} when it was listed)",
                          file.path.string(), info.st_size, file.bytes));
}

class Tokenizing {
 public:
  Tokenizing(const Tokenizer& tokenizer, TokenFileWriter& writer, std::stop_token stop)
      : tokenizer_(tokenizer), writer_(writer), stop_(std::move(stop)) {}

  Result<void> separator() {
    const Token separator = tokenizer_.document_separator();
    return writer_.append({&separator, 1});
  }

  Result<void> document(const CorpusFile& file) {
    const Descriptor text(::open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (text.get() < 0) return fail_errno("opening", file.path);
    if (auto done = check_unchanged(text.get(), file); !done) return done;
    pending_.clear();
    uint64_t seen = 0;
    for (bool last = false; !last;) {
      if (stop_.stop_requested()) return stopped();
      const auto got = read_chunk(text.get(), file);
      if (!got) return tl::unexpected<Error>(got.error());
      last = *got == 0;
      seen += *got;
      tokens_.clear();
      const size_t taken = tokenizer_.encode(pending_, last, tokens_);
      pending_.erase(0, taken);
      if (auto done = writer_.append(tokens_); !done) return done;
    }
    if (seen != file.bytes) {
      return fail(ErrorCode::kConflict,
                  fmt::format("{} changed while it was tokenized ({} bytes read, {} when it was "
                              "listed)",
                              file.path.string(), seen, file.bytes));
    }
    return check_unchanged(text.get(), file);
  }

 private:
  // Appends to pending_; 0 at the end of the file.
  Result<size_t> read_chunk(int fd, const CorpusFile& file) {
    const size_t kept = pending_.size();
    pending_.resize(kept + kChunkBytes);
    for (;;) {
      const ssize_t got = ::read(fd, pending_.data() + kept, kChunkBytes);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail_errno("reading", file.path);
      pending_.resize(kept + static_cast<size_t>(got));
      return static_cast<size_t>(got);
    }
  }

  const Tokenizer& tokenizer_;
  TokenFileWriter& writer_;
  std::stop_token stop_;
  std::string pending_;        // text that the tokenizer has not taken yet
  std::vector<Token> tokens_;  // of one chunk
};

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

std::string token_cache_key(const Corpus& corpus, const Tokenizer& tokenizer) {
  Xxh3 hash;
  const auto add = [&](uint64_t value) { hash.update(std::as_bytes(std::span(&value, 1))); };
  hash.update(as_bytes("ballast token cache 1"));
  add(kTokenFileVersion);
  add(tokenizer.fingerprint());
  add(tokenizer.vocabulary_size());
  add(corpus.files.size());
  for (const auto& file : corpus.files) {
    const std::string& name = file.path.native();
    add(name.size());
    hash.update(as_bytes(name));
    add(file.bytes);
    add(static_cast<uint64_t>(file.modified_ns));
  }
  return to_hex(hash.digest_128());
}

Result<TokenFileInfo> tokenize_corpus(FileSystem& files, const Corpus& corpus,
                                      const Tokenizer& tokenizer, const path& name,
                                      std::stop_token stop) {
  auto writer =
      TokenFileWriter::create(files, name, tokenizer.vocabulary_size(), tokenizer.fingerprint());
  if (!writer) return tl::unexpected<Error>(std::move(writer.error()));
  Tokenizing tokenizing(tokenizer, *writer, std::move(stop));
  for (size_t i = 0; i < corpus.files.size(); ++i) {
    Result<void> done;
    if (i > 0) done = tokenizing.separator();
    if (done) done = tokenizing.document(corpus.files[i]);
    if (!done) return tl::unexpected<Error>(std::move(done.error()));
  }
  return writer->finish(corpus.files.size(), corpus.bytes);
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
  auto made = tokenize_corpus(files, corpus, tokenizer, entry, options.stop);
  if (!made) return tl::unexpected<Error>(std::move(made.error()));
  auto file = TokenFile::open(entry);
  if (!file) return tl::unexpected<Error>(std::move(file.error()));
  return CachedTokens{std::move(*file), entry, true, std::move(damaged)};
}

}  // namespace ballast
