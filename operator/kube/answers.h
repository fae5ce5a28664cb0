// What an API server's answers mean: objects, lists, frames of a watch, errors. Checks every type,
// and never throws. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "operator/core/watch_machine.h"
#include "operator/kube/field_mask.h"
#include "operator/kube/http.h"
#include "operator/kube/wire_format.h"

namespace ballast::kube {

// An error with what a retry needs to know.
struct ApiError {
  int status = 0;  // HTTP; 0: no answer, or one that cannot be read
  Error error;
  std::optional<TimeMs> retry_after_ms;
};

template <typename T>
using ApiResult = tl::expected<T, ApiError>;

// Of an answer that is no success. Its text is the server's own where it says one.
ApiError error_of(const HttpAnswer& answer);

struct ListAnswer {
  std::vector<Object> objects;
  std::string next;  // continue token
  std::string version;
};

// Answers may be protobuf where `shape` says what an object of the kind looks like, and JSON
// always. What is `wanted` of an object has to have its name, namespace, uid and resourceVersion.
Result<Object> parse_object(std::string_view text, const FieldMask& wanted = {},
                            const WireShape* shape = nullptr);
Result<ListAnswer> parse_list(std::string_view text, const FieldMask& wanted = {},
                              const WireShape* shape = nullptr);
// One frame of a watch (of JSON, a line). Its request is 0.
Result<WatchFrame> parse_frame(std::string_view text, const FieldMask& wanted = {},
                               const WireShape* shape = nullptr);

}  // namespace ballast::kube
