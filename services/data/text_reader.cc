#include "services/data/text_reader.h"

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/descriptor.h"
#include "common/file.h"

namespace ballast {
namespace {

constexpr size_t kChunkBytes = size_t{256} << 10;

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

// Appends to `text`; 0 at the end of the file.
Result<size_t> read_chunk(int fd, const CorpusFile& file, std::string& text) {
  const size_t kept = text.size();
  text.resize(kept + kChunkBytes);
  for (;;) {
    const ssize_t got = ::read(fd, text.data() + kept, kChunkBytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("reading", file.path);
    text.resize(kept + static_cast<size_t>(got));
    return static_cast<size_t>(got);
  }
}

}  // namespace

Result<void> read_corpus_file(const CorpusFile& file, const std::stop_token& stop,
                              const TakeText& take) {
  const Descriptor input(::open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (input.get() < 0) return fail_errno("opening", file.path);
  if (auto done = check_unchanged(input.get(), file); !done) return done;
  std::string pending;
  uint64_t seen = 0;
  for (bool last = false; !last;) {
    if (stop.stop_requested()) {
      return fail(ErrorCode::kUnavailable, "stopped while the text was read");
    }
    const auto got = read_chunk(input.get(), file, pending);
    if (!got) return tl::unexpected<Error>(got.error());
    last = *got == 0;
    seen += *got;
    const auto taken = take(pending, last);
    if (!taken) return tl::unexpected<Error>(taken.error());
    pending.erase(0, *taken);
  }
  if (seen != file.bytes) {
    return fail(ErrorCode::kConflict,
                fmt::format("{} changed while it was tokenized ({} bytes read, {} when it was "
                            "listed)",
                            file.path.string(), seen, file.bytes));
  }
  return check_unchanged(input.get(), file);
}

}  // namespace ballast
