// The error type of every fallible edge. An Error carries a code of a small closed set (what the
// caller can do about it) and a message for people: the thing, what was found, what was expected.
// Values; safe to copy between threads.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace ballast {

enum class ErrorCode {
  kNotFound,       // the named thing does not exist
  kAlreadyExists,  // it exists and was to be made
  kConflict,       // it changed since it was read
  kGone,           // it existed and never will again
  kInvalid,        // the input is wrong; the same call fails again
  kDenied,         // not allowed
  kUnavailable,    // try again
  kTimeout,        // a deadline passed; try again
  kCorrupt,        // stored or received bytes are damaged
  kInternal,       // a fault of ours or of the machine
};

// "not_found", "invalid", ...
std::string_view to_string(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;

  bool operator==(const Error&) const = default;
};

template <typename T>
using Result = tl::expected<T, Error>;

// return fail(ErrorCode::kInvalid, "...");
inline tl::unexpected<Error> fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}

}  // namespace ballast
