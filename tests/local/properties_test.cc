// A status survives its file.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "operator/api/status_json.h"

namespace ballast::local {
namespace {

RC_GTEST_PROP(LocalProperties, AnyDamageOfAStatusIsFoundOrHarmless,
              (uint32_t at, char byte, bool cut)) {
  api::TrainingJobStatus status;
  status.members = {{"ps-0", 5, "unix:/a", ""}};
  status.restarts["ps-0"] = {1, 1, 1, 1, 1};
  status.conditions = {{api::ConditionType::kFailed, true, "Reason", "message", 3}};
  std::string text = api::status_to_json(status);
  RC_ASSERT(*api::status_from_json(text) == status);
  if (cut) {
    text.resize(at % text.size());
  } else {
    text[at % text.size()] = byte;
  }
  const auto read = api::status_from_json(text);
  RC_ASSERT((read.has_value() || read.error().code == ErrorCode::kCorrupt));
}

}  // namespace
}  // namespace ballast::local
