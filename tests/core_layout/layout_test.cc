// The arena's layout: placement, refusal of bad tensors, the hash, group ranges, segments.
#include "services/core/layout.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace ballast {
namespace {

Tensor tensor(std::string name, std::vector<uint64_t> shape,
              ParameterGroup group = ParameterGroup::kDecay) {
  return Tensor{.name = std::move(name), .shape = std::move(shape), .group = group};
}

std::vector<Tensor> three() {
  return {tensor("wte", {5, 7}), tensor("bias", {3}, ParameterGroup::kNoDecay),
          tensor("gain", {16}, ParameterGroup::kNoDecay)};
}

TEST(MakeLayout, PlacesTensorsAtAlignedOffsetsInOrder) {
  const auto layout = make_layout(three());
  ASSERT_TRUE(layout);
  EXPECT_EQ(layout->tensors[0].offset, 0u);
  EXPECT_EQ(layout->tensors[0].elements, 35u);
  EXPECT_EQ(layout->tensors[1].offset, 48u);
  EXPECT_EQ(layout->tensors[1].elements, 3u);
  EXPECT_EQ(layout->tensors[2].offset, 64u);
  EXPECT_EQ(layout->elements, 80u);
}

TEST(MakeLayout, RefusesBadTensorsByName) {
  const struct {
    std::vector<Tensor> tensors;
    std::string message;
  } rows[] = {
      {{}, "a layout of 0 tensors, expected 1 to 65536"},
      {{tensor("", {1})}, "tensor number 0 has no name"},
      {{tensor("a", {1}), tensor("a", {2})}, "tensor 'a' appears twice"},
      {{tensor("a", {})}, "tensor 'a' has 0 dimensions, expected 1 to 8"},
      {{tensor("a", {1, 1, 1, 1, 1, 1, 1, 1, 1})}, "tensor 'a' has 9 dimensions, expected 1 to 8"},
      {{tensor("a", {4, 0})}, "tensor 'a': dimension 1 is 0"},
      {{tensor("a", {uint64_t{1} << 32, uint64_t{1} << 32})},
       "tensor 'a' has more than 1099511627776 elements"},
      {{tensor("a", {kMaxArenaElements}), tensor("b", {1})},
       "tensor 'b' ends at element 1099511627792, the limit of an arena is 1099511627776"},
      {{tensor("a", {1}, static_cast<ParameterGroup>(9))},
       "tensor 'a': parameter group 9 is unknown"},
  };
  for (const auto& row : rows) {
    const auto layout = make_layout(row.tensors);
    ASSERT_FALSE(layout) << row.message;
    EXPECT_EQ(layout.error().code, ErrorCode::kInvalid);
    EXPECT_EQ(layout.error().message, row.message);
  }
  EXPECT_FALSE(make_layout({tensor(std::string(kMaxTensorNameBytes + 1, 'x'), {1})}));
  EXPECT_TRUE(make_layout({tensor(std::string(kMaxTensorNameBytes, 'x'), {1})}));
  EXPECT_FALSE(make_layout(std::vector<Tensor>(kMaxTensors + 1, tensor("a", {1}))));
}

TEST(CheckLayout, AcceptsOnlyWhatMakeLayoutGives) {
  const Layout good = *make_layout(three());
  EXPECT_TRUE(check_layout(good));

  Layout moved = good;
  moved.tensors[1].offset = 40;
  ASSERT_FALSE(check_layout(moved));
  EXPECT_EQ(check_layout(moved).error().message,
            "tensor 'bias' lies at 40 with 3 elements, expected at 48 with 3");

  Layout longer = good;
  longer.elements += kTensorAlignment;
  ASSERT_FALSE(check_layout(longer));
  EXPECT_EQ(check_layout(longer).error().message, "the layout has 96 elements, expected 80");

  EXPECT_FALSE(check_layout(Layout{}));
}

TEST(LayoutHash, IsFixedForever) {
  // Checkpoints store it: a change of the encoding makes them unreadable.
  EXPECT_EQ(layout_hash(*make_layout(three())), 4099746214731031901u);
}

TEST(LayoutHash, SeesNamesShapesGroupsAndOrder) {
  const uint64_t hash = layout_hash(*make_layout(three()));
  auto changed = three();
  changed[0].name = "wtf";
  EXPECT_NE(layout_hash(*make_layout(changed)), hash);
  changed = three();
  changed[0].shape = {7, 5};
  EXPECT_NE(layout_hash(*make_layout(changed)), hash);
  changed = three();
  changed[0].group = ParameterGroup::kNoDecay;
  EXPECT_NE(layout_hash(*make_layout(changed)), hash);
  changed = three();
  std::swap(changed[1], changed[2]);
  EXPECT_NE(layout_hash(*make_layout(changed)), hash);
}

TEST(GroupRanges, MergesNeighboursAndCoversPadding) {
  const auto ranges = group_ranges(*make_layout(three()));
  const std::vector<GroupRange> expected = {{0, 48, ParameterGroup::kDecay},
                                            {48, 80, ParameterGroup::kNoDecay}};
  EXPECT_EQ(ranges, expected);
}

std::vector<Tensor> arbitrary_tensors() {
  const auto count = *rc::gen::inRange<size_t>(1, 12);
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < count; ++i) {
    const auto shape = *rc::gen::resize(
        4, rc::gen::nonEmpty(
               rc::gen::container<std::vector<uint64_t>>(rc::gen::inRange<uint64_t>(1, 20))));
    tensors.push_back(
        tensor("t" + std::to_string(i), shape,
               *rc::gen::arbitrary<bool>() ? ParameterGroup::kDecay : ParameterGroup::kNoDecay));
  }
  return tensors;
}

TEST(LayoutProperties, TensorsAreAlignedDisjointAndTight) {
  EXPECT_TRUE(rc::check("placement", [] {
    const Layout layout = *make_layout(arbitrary_tensors());
    uint64_t end = 0;
    for (const Tensor& t : layout.tensors) {
      RC_ASSERT(t.offset % kTensorAlignment == 0u);
      RC_ASSERT(t.offset >= end);
      RC_ASSERT(t.offset - end < kTensorAlignment);
      end = t.offset + t.elements;
    }
    RC_ASSERT(layout.elements >= end);
    RC_ASSERT(layout.elements - end < kTensorAlignment);
    RC_ASSERT(layout.elements % kTensorAlignment == 0u);
    RC_ASSERT(check_layout(layout).has_value());
  }));
}

TEST(LayoutProperties, GroupRangesTouchCoverAndAlternate) {
  EXPECT_TRUE(rc::check("group ranges", [] {
    const Layout layout = *make_layout(arbitrary_tensors());
    const auto ranges = group_ranges(layout);
    RC_ASSERT(!ranges.empty());
    RC_ASSERT(ranges.front().begin == 0u);
    RC_ASSERT(ranges.back().end == layout.elements);
    for (size_t i = 1; i < ranges.size(); ++i) {
      RC_ASSERT(ranges[i].begin == ranges[i - 1].end);
      RC_ASSERT(ranges[i].group != ranges[i - 1].group);
    }
    for (const Tensor& t : layout.tensors) {
      for (const GroupRange& range : ranges) {
        if (t.offset >= range.begin && t.offset < range.end) {
          RC_ASSERT(t.group == range.group);
          RC_ASSERT(t.offset + t.elements <= range.end);
        }
      }
    }
  }));
}

TEST(LayoutProperties, SegmentsCoverTheArena) {
  EXPECT_TRUE(rc::check("segments", [] {
    const Segments segments{*rc::gen::inRange<uint64_t>(1, 100000), *rc::gen::inRange(1u, 5000u)};
    uint64_t next = 0;
    for (SegmentId s = 0; s < segments.count(); ++s) {
      RC_ASSERT(segments.begin(s) == next);
      RC_ASSERT(segments.size(s) >= 1u);
      RC_ASSERT(segments.of(next) == s);
      next += segments.size(s);
      RC_ASSERT(segments.of(next - 1) == s);
    }
    RC_ASSERT(next == segments.elements);
  }));
}

}  // namespace
}  // namespace ballast
