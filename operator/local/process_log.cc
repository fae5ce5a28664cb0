#include "operator/local/process_log.h"

#include <algorithm>
#include <fstream>

#include <nlohmann/json.hpp>

namespace ballast::local {
namespace {

constexpr std::streamoff kTailBytes = 64 * 1024;
constexpr size_t kErrorLines = 200;

std::string text_of(const nlohmann::json& line, const char* key) {
  const auto found = line.find(key);
  return found != line.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

std::vector<std::string> last_lines(const std::filesystem::path& log, size_t count) {
  std::ifstream file(log, std::ios::binary);
  file.seekg(0, std::ios::end);
  const std::streamoff size = file.tellg();
  if (!file || size <= 0) return {};
  const std::streamoff begin = std::max<std::streamoff>(0, size - kTailBytes);
  file.seekg(begin);
  std::vector<std::string> lines;
  std::string line;
  if (begin > 0) std::getline(file, line);  // most likely the end of one
  while (std::getline(file, line)) lines.push_back(line);
  if (lines.size() > count) lines.erase(lines.begin(), lines.end() - static_cast<ptrdiff_t>(count));
  return lines;
}

std::string last_error(const std::filesystem::path& log) {
  const std::vector<std::string> lines = last_lines(log, kErrorLines);
  std::string plain;
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    const auto parsed = nlohmann::json::parse(*line, nullptr, false);
    if (!parsed.is_object()) {
      if (plain.empty()) plain = *line;
      continue;
    }
    if (text_of(parsed, "level") != "error") continue;
    const std::string error = text_of(parsed, "error");
    return text_of(parsed, "message") + (error.empty() ? "" : ": " + error);
  }
  return plain;
}

}  // namespace ballast::local
