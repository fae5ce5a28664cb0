#include "operator/local/ready_file.h"

#include <charconv>

#include <nlohmann/json.hpp>

#include "common/file.h"

namespace ballast::local {
namespace {

constexpr uint64_t kMaxReadyBytes = 64 * 1024;

// 64 bits may come as a number or, for readers that have only doubles, as a decimal string.
uint64_t unsigned_of(const nlohmann::json& value) {
  if (!value.is_string()) return value.get<uint64_t>();
  const auto& text = value.get_ref<const std::string&>();
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

}  // namespace

Result<ReadyFile> read_ready_file(const std::filesystem::path& path,
                                  const std::string& expected_name) {
  auto text = read_file(path, kMaxReadyBytes);
  if (!text) return tl::unexpected(text.error());
  ReadyFile ready;
  try {
    const auto in = nlohmann::json::parse(*text);
    ready.name = in.at("name");
    ready.incarnation = unsigned_of(in.at("incarnation"));
    ready.address = in.value("address", "");
    ready.metrics_address = in.value("metrics_address", "");
    ready.pid = in.value("pid", int64_t{0});
  } catch (const nlohmann::json::exception& error) {
    return fail(ErrorCode::kCorrupt, path.string() + ": " + error.what());
  }
  if (ready.name != expected_name) {
    return fail(ErrorCode::kCorrupt, path.string() + ": name is \"" + ready.name +
                                         "\"; expected \"" + expected_name + "\"");
  }
  if (ready.incarnation == 0) {
    return fail(ErrorCode::kCorrupt, path.string() + ": incarnation is 0 or no number");
  }
  return ready;
}

}  // namespace ballast::local
