// The tensor store performs effects; what it gave away to be sent never changes afterwards.
#include "services/server/tensor_store.h"

#include <gtest/gtest.h>

#include <bit>

namespace ballast {
namespace {

constexpr uint32_t kSegment = 64;

ReceivedPayload payload_of(std::vector<float> values) {
  auto owner = std::make_shared<std::vector<float>>(std::move(values));
  return {.pieces = {std::as_bytes(std::span(*owner))}, .owner = owner};
}

std::vector<float> values_of(const OutgoingPayload& payload) {
  return {payload.values.begin(), payload.values.end()};
}

std::vector<float> expanded(const OutgoingPayload& payload) {
  std::vector<float> values(payload.bytes().size() / 2);
  copy_payload(values, {.pieces = {payload.bytes()}, .owner = {}, .precision = Precision::kBf16});
  return values;
}

class Store : public testing::Test {
 protected:
  Store() {
    JobIdentity identity;
    identity.layout = make_layout({{.name = "w",
                                    .shape = {100},
                                    .group = ParameterGroup::kDecay,
                                    .offset = 0,
                                    .elements = 0}})
                          .value();
    TrainingSettings training;
    training.segment_elements = kSegment;
    training.optimizer.kind = OptimizerKind::kMomentum;
    training.optimizer.momentum = 0;
    store.configure(identity, training);
  }
  Record record(bool apply = true) {
    Record made;
    made.apply = apply;
    made.scale = 1;
    made.learning_rate = 0.5f;
    return made;
  }
  void apply(BufferId root, const Record& decided) {
    if (auto task = store.apply({.segment = 0, .root = root, .record = decided})) task();
  }
  TensorStore store;
};

TEST_F(Store, AppliesARootAndReleasesIt) {
  store.initialise(0, payload_of(std::vector<float>(64, 3.0f)));
  store.store_payload(9, 0, payload_of(std::vector<float>(64, 1.0f)));
  store.add_payload(9, payload_of(std::vector<float>(64, 1.0f)));
  EXPECT_EQ(store.buffers(), 1u);
  apply(9, record());
  EXPECT_EQ(store.buffers(), 0u);
  EXPECT_EQ(values_of(store.payload(FromParameters{0})), std::vector<float>(64, 2.0f));
}

TEST_F(Store, AChecksumSeesEachBitOfParametersAndStates) {
  store.initialise(0, payload_of(std::vector<float>(64, 3.0f)));
  const uint64_t whole = store.checksum(0)();
  EXPECT_EQ(store.checksum(0)(), whole);
  for (uint8_t part = 0; part < 2; ++part) {
    std::vector<float> values(64, part == 0 ? 3.0f : 0.0f);
    store.store_copy_part(0, part, payload_of(values));
    EXPECT_EQ(store.checksum(0)(), whole);
    for (const uint32_t bit : {0u, 13u, 31u}) {
      std::vector<float> flipped = values;
      flipped[17] = std::bit_cast<float>(std::bit_cast<uint32_t>(flipped[17]) ^ (1u << bit));
      store.store_copy_part(0, part, payload_of(flipped));
      EXPECT_NE(store.checksum(0)(), whole) << "part " << int{part} << " bit " << bit;
    }
    store.store_copy_part(0, part, payload_of(values));
  }
}

TEST_F(Store, ASkippedStepChangesNothingButReleasesTheRoot) {
  store.initialise(0, payload_of(std::vector<float>(64, 3.0f)));
  store.store_payload(9, 0, payload_of(std::vector<float>(64, 1.0f)));
  apply(9, record(false));
  EXPECT_EQ(store.buffers(), 0u);
  EXPECT_EQ(values_of(store.payload(FromParameters{0})), std::vector<float>(64, 3.0f));
}

TEST_F(Store, TheLastSegmentMayBeShorter) {
  const uint32_t size = store.segments().size(1);
  EXPECT_EQ(size, 48u);  // 100 elements and their padding, less 64
  store.initialise(1, payload_of(std::vector<float>(size, 1.0f)));
  EXPECT_EQ(values_of(store.payload(FromParameters{1})).size(), size);
}

TEST_F(Store, WhatWasGivenAwayKeepsItsValues) {
  store.initialise(0, payload_of(std::vector<float>(64, 3.0f)));
  const OutgoingPayload before = store.payload(FromParameters{0});
  store.store_payload(9, 0, payload_of(std::vector<float>(64, 1.0f)));
  const OutgoingPayload sum = store.payload(FromBuffer{9});
  store.add_payload(9, payload_of(std::vector<float>(64, 1.0f)));
  apply(9, record());
  EXPECT_EQ(values_of(before), std::vector<float>(64, 3.0f));
  EXPECT_EQ(values_of(sum), std::vector<float>(64, 1.0f));
  EXPECT_EQ(values_of(store.payload(FromParameters{0})), std::vector<float>(64, 2.0f));
}

TEST_F(Store, WithoutSuchReadersMemoryIsUsedAgain) {
  store.initialise(0, payload_of(std::vector<float>(64, 3.0f)));
  const float* at = store.payload(FromParameters{0}).values.data();
  for (BufferId buffer = 1; buffer < 1000; ++buffer) {
    store.store_payload(buffer, 0, payload_of(std::vector<float>(64, 1.0f)));
    apply(buffer, record());
  }
  EXPECT_EQ(store.payload(FromParameters{0}).values.data(), at);
  EXPECT_LE(store.reserved_bytes(), 64u * kSegment * sizeof(float));
}

std::vector<float> rounded(std::vector<float> values) {
  for (float& value : values) value = expand_bfloat16(round_to_bfloat16(value));
  return values;
}

TEST_F(Store, RoundedParametersAreThoseOfTheVersionThatIsThere) {
  const FromParameters bf16{0, Precision::kBf16};
  const auto expect = [&](const char* when) {
    const std::vector<float> exact = values_of(store.payload(FromParameters{0}));
    const OutgoingPayload payload = store.payload(bf16);
    EXPECT_EQ(payload.precision(), Precision::kBf16);
    ASSERT_EQ(payload.bytes().size(), exact.size() * 2);
    EXPECT_EQ(expanded(payload), rounded(exact)) << when;
    EXPECT_NE(expanded(payload), exact) << when;
  };
  const std::vector<float> values(64, 1.0f / 3);
  store.initialise(0, payload_of(values));
  expect("initialised");
  const OutgoingPayload before = store.payload(bf16);
  EXPECT_EQ(store.payload(bf16).bytes().data(), before.bytes().data()) << "rounded twice";
  store.store_payload(9, 0, payload_of(std::vector<float>(64, 1.0f)));
  apply(9, record());
  expect("applied");
  store.store_payload(9, 0, payload_of(std::vector<float>(64, 1.0f)));
  apply(9, record(false));
  expect("skipped");
  store.flip_bit(0);
  expect("flipped");
  store.store_copy_part(0, 0, payload_of(std::vector<float>(64, 1.0f / 7)));
  expect("copied");
  const std::vector<float> parameters(64, 1.0f / 9);
  const std::vector<float> state(64, 0.0f);
  store.restore(0, std::vector<std::span<const float>>{parameters, state});
  expect("restored");
  store.initialise(0, payload_of(std::vector<float>(64, 1.0f / 11)));
  expect("initialised again");
  EXPECT_EQ(expanded(before), rounded(values)) << "given away, and changed afterwards";
  const uint32_t size = store.segments().size(1);
  store.initialise(1, payload_of(std::vector<float>(size, 0.1f)));
  EXPECT_EQ(expanded(store.payload(FromParameters{1, Precision::kBf16})),
            rounded(std::vector<float>(size, 0.1f)));
}

TEST_F(Store, RoundedMemoryIsUsedAgain) {
  store.initialise(0, payload_of(std::vector<float>(64, 3.0f)));
  for (BufferId buffer = 1; buffer < 1000; ++buffer) {
    EXPECT_FALSE(store.payload(FromParameters{0, Precision::kBf16}).bytes().empty());
    store.store_payload(buffer, 0, payload_of(std::vector<float>(64, 1.0f)));
    apply(buffer, record());
  }
  EXPECT_LE(store.reserved_bytes(), 64u * kSegment * (sizeof(float) + sizeof(uint16_t)));
}

TEST_F(Store, WhatIsNotThereIsEmpty) {
  EXPECT_TRUE(store.payload(FromParameters{0, Precision::kBf16}).bytes().empty());
  EXPECT_TRUE(store.payload(FromParameters{0}).values.empty());
  EXPECT_TRUE(store.payload(FromBuffer{5}).values.empty());
  EXPECT_TRUE(store.payload(std::monostate{}).values.empty());
  EXPECT_TRUE(store.capture(0).empty());
  EXPECT_TRUE(store.capture(77).empty());
}

}  // namespace
}  // namespace ballast
