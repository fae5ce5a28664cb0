#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "common/base64.h"

namespace ballast {
namespace {

RC_GTEST_PROP(Base64, ComesBack, (const std::string& bytes)) {
  RC_ASSERT(decode_base64(encode_base64(bytes)) == bytes);
}

}  // namespace
}  // namespace ballast
