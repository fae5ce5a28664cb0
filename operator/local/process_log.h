// Reading the logs of children, for people: the last lines, and the error that ended one. Files of
// any size and content; only their end is read.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace ballast::local {

// The last lines, at most `count`; none where the file cannot be read.
std::vector<std::string> last_lines(const std::filesystem::path& log, size_t count);

// "message: error" of the last line of level error; else the last line that is no JSON (a crash
// often says something); else empty.
std::string last_error(const std::filesystem::path& log);

}  // namespace ballast::local
