#include "common/address.h"

#include <string>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace ballast {
namespace {

RC_GTEST_PROP(AddressProperty, WhatParsesPrintsAsTheSameAddress, (std::string text)) {
  const auto address = parse_host_port(text);
  if (address) RC_ASSERT(parse_host_port(to_string(*address)) == *address);
}

RC_GTEST_PROP(AddressProperty, EveryPortComesBack, (uint16_t port)) {
  RC_ASSERT(parse_host_port(to_string(HostPort{"::1", port})) == (HostPort{"::1", port}));
}

}  // namespace
}  // namespace ballast
