// Small whole files: ready-files, job files, numbered stores. Writing is atomic: the name shows the
// old content or the new one, never a part, also after a power cut. Large data has its own readers
// and writers. Any thread; writers of one path must agree on who goes first.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "common/error.h"

namespace ballast {

// Errors name the path: kNotFound, kDenied, kInvalid (a folder, a device, or more than
// limit_bytes).
Result<std::string> read_file(const std::filesystem::path& path, uint64_t limit_bytes);

// Temporary name beside it, fsync, rename, fsync of the folder. An error leaves the old content and
// no temporary file behind. `mode` is the permissions of the new file, whatever the umask says.
Result<void> write_file_atomically(const std::filesystem::path& path, std::string_view content,
                                   unsigned mode = 0644);

// An Error for the call that set errno: code by errno, message "<what> <path>: <text of errno>".
Error file_error(int error_number, std::string_view what, const std::filesystem::path& path);
// The same from errno itself, to be returned.
tl::unexpected<Error> fail_errno(std::string_view what, const std::filesystem::path& path);

}  // namespace ballast
