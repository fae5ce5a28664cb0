// Small helpers of tests that work on real files. A file that cannot be read or written ends the
// test program. Any thread.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "common/check.h"
#include "tests/common/temporary_folder.h"

namespace ballast {

inline std::filesystem::path operator/(const TemporaryFolder& folder, std::string_view name) {
  return folder.path() / name;
}

inline void write_text(const std::filesystem::path& path, std::string_view content) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  CHECK(out.good());
}

// A new file under the name: faster where many contents are tried, as the disk flushes nothing.
inline void replace_text(const std::filesystem::path& path, std::string_view content) {
  std::filesystem::remove(path);
  write_text(path, content);
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  CHECK(in.good());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Names in a folder whose end is `suffix`.
inline int count_files(const std::filesystem::path& folder, std::string_view suffix) {
  int found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().filename().string().ends_with(suffix)) ++found;
  }
  return found;
}

}  // namespace ballast
