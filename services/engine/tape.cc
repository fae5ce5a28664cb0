#include "services/engine/tape.h"

#include <algorithm>
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

void Tape::record(Operation operation) { operations_.push_back({std::move(operation), {}, {}}); }

void Tape::plan(size_t largest_rows) {
  plan_ranges();
  plan_accumulation();
  plan_memory(largest_rows);
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

// Time runs through forward, then through backward: operation i has the times i and 2n - 1 - i.
void Tape::plan_memory(size_t largest_rows) {
  const size_t count = operations_.size();
  std::vector<Lifetime> data(values_.size());
  std::vector<Lifetime> gradients(values_.size());
  for (size_t i = 0; i < count; ++i) {
    const Operation& operation = operations_[i].operation;
    const size_t back = 2 * count - 1 - i;
    for (const ValueId value : operation.inputs) {
      data[value].include(i);
      gradients[root(value)].include(back);
    }
    for (const ValueId value : operation.outputs) {
      data[value].include(i);
      gradients[root(value)].include(back);
    }
    for (const ValueId value : operation.kept) {
      data[value].include(i);
      data[value].include(back);
    }
  }
  for (size_t v = 0; v < values_.size(); ++v) {
    data[v].elements = gradients[v].elements = uint64_t{largest_rows} * values_[v].columns;
  }
  std::vector<Lifetime> all = data;
  all.insert(all.end(), gradients.begin(), gradients.end());
  const uint64_t elements = place(all);
  for (size_t v = 0; v < values_.size(); ++v) {
    values_[v].data = all[v].offset;
    values_[v].gradient = all[values_.size() + v].offset;
  }
  memory_ = FloatBuffer(elements);
}

bool Tape::forward(Pass& pass, const NeedFunction& need) {
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
  for (size_t i = operations_.size(); i-- > 0;) {
    Recorded& recorded = operations_[i];
    recorded.operation.backward(pass, recorded.accumulate);
    if (final) {
      for (size_t r = recorded.ranges.size(); r-- > 0;) {
        final(recorded.ranges[r].begin, recorded.ranges[r].end);
      }
    }
  }
}

}  // namespace ballast
