#include "services/engine/tape.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/check.h"
#include "services/engine/memory_plan.h"

namespace ballast {

ValueId Tape::value(size_t columns) {
  values_.push_back({.columns = columns, .shares = values_.size()});
  return values_.size() - 1;
}

ValueId Tape::root(ValueId value) const {
  while (values_[value].shares != value) {
    value = values_[value].shares;
  }
  return value;
}

void Tape::share_gradient(ValueId a, ValueId b) {
  CHECK(values_[a].columns == values_[b].columns);
  values_[root(a)].shares = root(b);
}

void Tape::record(Operation operation) {
  Recorded& recorded = operations_.emplace_back();
  recorded.operation = std::move(operation);
  recorded.block = block_;
}

void Tape::begin_block() { block_ = blocks_++; }

uint64_t Tape::plan(size_t largest_rows) {
  const std::vector<bool> inside = inside_blocks();
  plan_calls(inside);
  plan_ranges();
  plan_accumulation();
  return plan_memory(largest_rows, inside);
}

// Values that only operations of one block make and read.
std::vector<bool> Tape::inside_blocks() const {
  std::vector<std::set<size_t>> users(values_.size());
  for (const Recorded& recorded : operations_) {
    const Operation& operation = recorded.operation;
    for (const auto* values : {&operation.inputs, &operation.outputs, &operation.kept}) {
      for (const ValueId value : *values) users[value].insert(recorded.block);
    }
  }
  std::vector<bool> inside;
  for (const auto& blocks : users) {
    inside.push_back(blocks.size() == 1 && *blocks.begin() != kNoBlock);
  }
  return inside;
}

// Again run the operations of a block whose results its backward reads, or others that run again.
void Tape::plan_calls(const std::vector<bool>& inside) {
  const size_t count = operations_.size();
  std::vector<bool> needed(values_.size(), false);
  for (const Recorded& recorded : operations_) {
    for (const ValueId value : recorded.operation.kept) needed[value] = inside[value];
  }
  for (size_t i = count; i-- > 0;) {
    Recorded& recorded = operations_[i];
    const Operation& operation = recorded.operation;
    const auto is_input = [&](ValueId value) {
      return std::find(operation.inputs.begin(), operation.inputs.end(), value) !=
             operation.inputs.end();
    };
    for (const ValueId value : operation.outputs) recorded.again |= needed[value];
    for (const ValueId value : operation.kept) {
      recorded.again |= needed[value] && !is_input(value);
    }
    if (!recorded.again) continue;
    for (const ValueId value : operation.inputs) needed[value] = inside[value];
  }
  for (size_t i = 0; i < count; ++i) calls_.push_back({i, Phase::kForward});
  for (size_t i = count; i-- > 0;) {
    const size_t block = operations_[i].block;
    if (block != kNoBlock && (i + 1 == count || operations_[i + 1].block != block)) {
      size_t first = i;
      while (first > 0 && operations_[first - 1].block == block) --first;
      for (size_t k = first; k <= i; ++k) {
        if (operations_[k].again) calls_.push_back({k, Phase::kAgain});
      }
    }
    calls_.push_back({i, Phase::kBackward});
  }
}

// Tensors with the padding behind them, neighbours merged, in ascending order.
std::vector<Tape::Range> Tape::ranges_of(std::vector<size_t> tensors) const {
  std::sort(tensors.begin(), tensors.end());
  std::vector<Range> ranges;
  for (const size_t tensor : tensors) {
    const uint64_t begin = layout_.tensors[tensor].offset;
    const uint64_t end =
        tensor + 1 < layout_.tensors.size() ? layout_.tensors[tensor + 1].offset : layout_.elements;
    if (!ranges.empty() && ranges.back().end == begin) {
      ranges.back().end = end;
    } else {
      ranges.push_back({begin, end});
    }
  }
  return ranges;
}

// Backward runs in reverse, so the first operation that reads a tensor is also the last one that
// adds to its gradient.
void Tape::plan_ranges() {
  std::vector<bool> seen(layout_.tensors.size(), false);
  for (Recorded& recorded : operations_) {
    std::vector<size_t> first_read;
    for (const size_t tensor : recorded.operation.parameters) {
      if (!seen[tensor]) {
        seen[tensor] = true;
        first_read.push_back(tensor);
      }
    }
    recorded.ranges = ranges_of(first_read);
  }
  CHECK(std::find(seen.begin(), seen.end(), false) == seen.end());
}

void Tape::plan_accumulation() {
  std::vector<bool> written(values_.size(), false);
  for (size_t i = operations_.size(); i-- > 0;) {
    Recorded& recorded = operations_[i];
    recorded.accumulate.clear();
    for (const ValueId input : recorded.operation.inputs) {
      recorded.accumulate.push_back(written[root(input)]);
      written[root(input)] = true;
    }
  }
}

uint64_t Tape::plan_memory(size_t largest_rows, const std::vector<bool>& inside) {
  const size_t count = values_.size();
  std::vector<Lifetime> all(3 * count);  // data, data in backward, gradients
  const auto data_at = [&](ValueId value, Phase phase) -> Lifetime& {
    return all[phase != Phase::kForward && inside[value] ? count + value : value];
  };
  for (size_t time = 0; time < calls_.size(); ++time) {
    const auto [index, phase] = calls_[time];
    const Operation& operation = operations_[index].operation;
    for (const auto* values : {&operation.inputs, &operation.outputs}) {
      for (const ValueId value : *values) {
        if (phase == Phase::kBackward) {
          all[2 * count + root(value)].include(time);
        } else {
          data_at(value, phase).include(time);
        }
      }
    }
    for (const ValueId value : operation.kept) data_at(value, phase).include(time);
    if (operation.gradients_early) {
      for (const ValueId value : operation.inputs) all[2 * count + root(value)].include(time);
    }
  }
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].elements = uint64_t{largest_rows} * values_[i % count].columns;
  }
  const uint64_t elements = place(all);
  for (size_t v = 0; v < count; ++v) {
    values_[v].data = all[v].offset;
    values_[v].again = all[inside[v] ? count + v : v].offset;
    values_[v].gradient = all[2 * count + v].offset;
  }
  return elements;
}

bool Tape::forward(Pass& pass, const NeedFunction& need) {
  again_ = false;
  for (Recorded& recorded : operations_) {
    for (const Range& range : recorded.ranges) {
      if (need && !need(range.begin, range.end)) {
        return false;
      }
    }
    recorded.operation.forward(pass);
  }
  return true;
}

void Tape::backward(Pass& pass, const RangeFunction& final) {
  again_ = true;
  for (const Call& call : calls_) {
    Recorded& recorded = operations_[call.operation];
    if (call.phase == Phase::kAgain) {
      recorded.operation.forward(pass);
    } else if (call.phase == Phase::kBackward) {
      recorded.operation.backward(pass, recorded.accumulate);
      for (size_t r = recorded.ranges.size(); final && r-- > 0;) {
        final(recorded.ranges[r].begin, recorded.ranges[r].end);
      }
    }
  }
}

}  // namespace ballast
