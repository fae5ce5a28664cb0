// CHECK: an invariant of ours. It stays on in release: a broken invariant ends the process with the
// place and the condition, before it can harm anything that is stored. Never for bad input.
#pragma once

namespace ballast {

[[noreturn]] void check_failed(const char* file, int line, const char* condition);

}  // namespace ballast

#define CHECK(condition) \
  (static_cast<bool>(condition) ? void(0) : ::ballast::check_failed(__FILE__, __LINE__, #condition))
