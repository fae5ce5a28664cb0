#include "services/core/tree.h"

#include <algorithm>
#include <bit>

namespace ballast {
namespace {

// Levels below the root.
uint32_t depth(TreeNode node) { return static_cast<uint32_t>(std::bit_width(node)) - 1; }

}  // namespace

bool valid_node(TreeNode node, uint32_t microbatches) {
  return node >= 1 && node < 2 * microbatches;
}

TreeNode leaf(Microbatch microbatch, uint32_t microbatches) { return microbatches + microbatch; }

TreeNode sibling(TreeNode node) { return node ^ 1; }

bool contains(TreeNode outer, TreeNode inner) {
  const uint32_t outer_depth = depth(outer);
  const uint32_t inner_depth = depth(inner);
  return inner_depth >= outer_depth && inner >> (inner_depth - outer_depth) == outer;
}

Microbatch first_microbatch(TreeNode node, uint32_t microbatches) {
  return node * microbatch_count(node, microbatches) - microbatches;
}

uint32_t microbatch_count(TreeNode node, uint32_t microbatches) {
  return microbatches >> depth(node);
}

std::vector<TreeNode> cover(const std::vector<Microbatch>& microbatches, uint32_t total) {
  std::vector<TreeNode> nodes;
  for (const Microbatch microbatch : microbatches) {
    TreeNode node = leaf(microbatch, total);
    // A right child completes its parent where the left one is the last so far.
    while (node > 1 && node % 2 == 1 && !nodes.empty() && nodes.back() == sibling(node)) {
      nodes.pop_back();
      node /= 2;
    }
    nodes.push_back(node);
  }
  return nodes;
}

LossSum sum_in_tree(std::vector<LossSum> sums) {
  if (sums.empty()) {
    return {};
  }
  while (sums.size() > 1) {
    for (size_t i = 0; i < sums.size(); i += 2) {
      LossSum& into = sums[i / 2];
      into = i + 1 < sums.size()
                 ? LossSum{sums[i].loss + sums[i + 1].loss, sums[i].tokens + sums[i + 1].tokens}
                 : sums[i];
    }
    sums.resize((sums.size() + 1) / 2);
  }
  return sums.front();
}

SegmentTree::Plan SegmentTree::add(TreeNode node, double loss, uint64_t tokens,
                                   uint64_t new_buffer) {
  Plan plan;
  const Microbatch first = first_microbatch(node, microbatches_);
  const Microbatch end = first + microbatch_count(node, microbatches_);
  const auto starts_before = [this](const Entry& entry, Microbatch microbatch) {
    return first_microbatch(entry.node, microbatches_) < microbatch;
  };
  auto at = std::lower_bound(entries_.begin(), entries_.end(), first, starts_before);
  const bool inside_previous = at != entries_.begin() && contains(std::prev(at)->node, node);
  if (inside_previous || (at != entries_.end() && contains(at->node, node))) {
    plan.arrival = Arrival::kContained;
    return plan;
  }
  const auto replaced_end = std::lower_bound(at, entries_.end(), end, starts_before);
  for (auto it = at; it != replaced_end; ++it) {
    plan.replaced.push_back(it->buffer);
  }
  at = entries_.erase(at, replaced_end);
  at = entries_.insert(at, Entry{node, new_buffer, loss, tokens});
  plan.buffer = new_buffer;

  bool first_merge = true;
  while (at->node > 1) {
    const bool is_left = at->node % 2 == 0;
    const auto other = is_left ? std::next(at) : std::prev(at, at == entries_.begin() ? 0 : 1);
    if (other == entries_.end() || other->node != sibling(at->node)) {
      break;
    }
    const auto left = is_left ? at : other;
    const auto right = is_left ? other : at;
    if (first_merge) {
      // The payload itself is the first summand: no new buffer is needed.
      plan.payload_into_existing = true;
      plan.buffer = other->buffer;
      left->buffer = other->buffer;
    } else {
      plan.merges.push_back({left->buffer, right->buffer});
    }
    first_merge = false;
    left->node /= 2;
    left->loss += right->loss;
    left->tokens += right->tokens;
    at = std::prev(entries_.erase(right));
  }
  return plan;
}

std::vector<Microbatch> SegmentTree::missing() const {
  std::vector<Microbatch> result;
  Microbatch next = 0;
  const auto gap_until = [&](Microbatch end) {
    for (; next < end; ++next) {
      result.push_back(next);
    }
  };
  for (const Entry& entry : entries_) {
    gap_until(first_microbatch(entry.node, microbatches_));
    next += microbatch_count(entry.node, microbatches_);
  }
  gap_until(microbatches_);
  return result;
}

std::vector<uint64_t> SegmentTree::clear() {
  std::vector<uint64_t> buffers;
  for (const Entry& entry : entries_) {
    buffers.push_back(entry.buffer);
  }
  entries_.clear();
  return buffers;
}

}  // namespace ballast
