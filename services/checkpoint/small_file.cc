#include "services/checkpoint/small_file.h"

#include <utility>

#include <fmt/format.h>

#include "common/checksum.h"
#include "common/file.h"
#include "services/storage/atomic_file.h"

namespace ballast {

Result<FileInfo> write_small_file(FileSystem& files, const std::filesystem::path& directory,
                                  const std::string& name, std::string_view content) {
  if (auto done = files.make_folders(directory); !done) {
    return tl::unexpected<Error>(std::move(done.error()));
  }
  auto file = AtomicFile::create(files, directory / name);
  if (!file) return tl::unexpected<Error>(std::move(file.error()));
  auto done = file->append(as_bytes(content)).and_then([&] {
    return file->commit(AtomicFile::IfExists::kReplace);
  });
  if (!done) return tl::unexpected<Error>(std::move(done.error()));
  return FileInfo{.file = name, .bytes = file->bytes(), .checksum = to_hex(file->checksum())};
}

Result<std::string> read_small_file(const std::filesystem::path& directory, const FileInfo& info) {
  const auto path = directory / info.file;
  const auto corrupt = [&](std::string what) {
    return fail(ErrorCode::kCorrupt, fmt::format("checkpoint file {}: {}", path.string(), what));
  };
  auto content = read_file(path, info.bytes);
  if (!content && content.error().code == ErrorCode::kNotFound) {
    return corrupt("missing, but the manifest names it");
  }
  if (!content && content.error().code == ErrorCode::kInvalid) {
    return corrupt(fmt::format("not the {} bytes that the manifest says", info.bytes));
  }
  if (!content) return content;
  const std::string checksum = to_hex(xxh3_128(as_bytes(*content)));
  if (content->size() == info.bytes && checksum == info.checksum) return content;
  return corrupt(fmt::format("damaged: {} bytes with checksum {}, the manifest says {} and {}",
                             content->size(), checksum, info.bytes, info.checksum));
}

}  // namespace ballast
