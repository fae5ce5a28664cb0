#include "services/checkpoint/strict_json.h"

#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace ballast {
namespace {

using nlohmann::json;

// Watches the parser go in and out of objects; throws to stop it.
class Limits {
 public:
  explicit Limits(int max_depth) : max_depth_(max_depth) {}

  bool operator()(int depth, json::parse_event_t event, json& parsed) {
    using Event = json::parse_event_t;
    if (event == Event::object_start || event == Event::array_start) {
      if (depth >= max_depth_) {
        throw std::runtime_error(fmt::format("nested deeper than {} levels", max_depth_));
      }
    }
    if (event == Event::object_start) names_.emplace_back();
    if (event == Event::object_end) names_.pop_back();
    if (event == Event::key) {
      const auto& name = parsed.get_ref<const std::string&>();
      if (!names_.back().insert(name).second) {
        throw std::runtime_error(fmt::format("\"{}\" is there twice", name));
      }
    }
    return true;
  }

 private:
  int max_depth_;
  std::vector<std::set<std::string>> names_;  // of the open objects
};

}  // namespace

Result<json> parse_strict_json(std::string_view text, int max_depth) {
  try {
    // By reference: the parser copies its callback.
    Limits limits(max_depth);
    return json::parse(text.begin(), text.end(),
                       [&limits](int depth, json::parse_event_t event, json& parsed) {
                         return limits(depth, event, parsed);
                       });
  } catch (const json::parse_error& error) {
    return fail(ErrorCode::kInvalid, fmt::format("no JSON at byte {}", error.byte));
  } catch (const std::exception& error) {
    return fail(ErrorCode::kInvalid, error.what());
  }
}

}  // namespace ballast
