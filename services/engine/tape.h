// The tape: the operations of a model in order, with the memory of everything between them planned
// once. Forward runs them first to last and asks for parameters before it reads them; backward runs
// them last to first and reports parameters' gradients as they become final.
//
// A block of operations may be marked to run again in backward: of what it computes, only what
// others read is kept until then. The same operations on the same values give the same bits.
//
// Invariant: two values share memory only when no operation could still read the one after the
// other was written. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "services/core/layout.h"
#include "services/engine/operations.h"

namespace ballast {

using ValueId = size_t;

// Elements [begin, end) of the arena.
using RangeFunction = std::function<void(uint64_t begin, uint64_t end)>;
// The same; false: stop here.
using NeedFunction = std::function<bool(uint64_t begin, uint64_t end)>;

// What one pass works on.
struct Pass {
  BatchShape shape;
  const uint32_t* tokens = nullptr;
  const uint32_t* targets = nullptr;  // null: no loss is asked for
  std::optional<DropoutKey> dropout;  // none: nothing is dropped
  const float* parameters = nullptr;  // the arena
  float* gradients = nullptr;         // the arena, in backward
  double loss = 0;                    // summed over tokens
};

struct Operation {
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::vector<ValueId> kept;       // values that backward reads: inputs, outputs, or only for it
  std::vector<size_t> parameters;  // tensors of the layout that are read, and get gradients
  std::function<void(Pass&)> forward;
  // accumulate[i]: the gradient of input i has contributions already; add to it.
  std::function<void(Pass&, const std::vector<bool>& accumulate)> backward;
  bool gradients_early = false;  // of the inputs: forward may set them
};

class Tape {
 public:
  explicit Tape(Layout layout) : layout_(std::move(layout)) {}
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  const Layout& layout() const { return layout_; }

  // Building: values, then operations in order, then plan().
  ValueId value(size_t columns);              // [rows, columns] and a gradient of the same form
  void share_gradient(ValueId a, ValueId b);  // the gradient of one is that of the other
  void record(Operation operation);
  // What is recorded from here on, until the next call, runs again before its backward.
  void begin_block();
  void end_block() { block_ = kNoBlock; }
  // The elements of memory that passes of so many rows need; use() gives them.
  uint64_t plan(size_t largest_rows);
  void use(float* memory) { memory_ = memory; }

  // Running. Memory is only handed to the operations: it may be a device's.
  float* data(ValueId value) {
    return memory_ + (again_ ? values_[value].again : values_[value].data);
  }
  float* gradient(ValueId value) { return memory_ + values_[root(value)].gradient; }
  bool forward(Pass& pass, const NeedFunction& need);  // false: `need` stopped it
  void backward(Pass& pass, const RangeFunction& final);

 private:
  struct Value {
    size_t columns = 0;
    uint64_t data = 0;   // offsets into memory_
    uint64_t again = 0;  // of the data in backward; the same where it was kept
    uint64_t gradient = 0;
    ValueId shares = 0;  // the value whose gradient memory it uses; itself at first
  };
  struct Range {
    uint64_t begin = 0;
    uint64_t end = 0;
  };
  static constexpr size_t kNoBlock = SIZE_MAX;
  struct Recorded {
    Operation operation;
    size_t block = kNoBlock;
    bool again = false;            // runs again before the backward of its block
    std::vector<bool> accumulate;  // per input
    std::vector<Range> ranges;     // what no earlier operation reads; final after its backward
  };

  // One call of an operation; all of them, in order, are the time of the memory plan.
  enum class Phase { kForward, kAgain, kBackward };
  struct Call {
    size_t operation = 0;
    Phase phase = Phase::kForward;
  };

  ValueId root(ValueId value) const;
  std::vector<bool> inside_blocks() const;
  void plan_calls(const std::vector<bool>& inside);
  void plan_ranges();
  void plan_accumulation();
  uint64_t plan_memory(size_t largest_rows, const std::vector<bool>& inside);
  std::vector<Range> ranges_of(std::vector<size_t> tensors) const;

  Layout layout_;
  std::vector<Value> values_;
  std::vector<Recorded> operations_;
  std::vector<Call> calls_;
  size_t blocks_ = 0;
  size_t block_ = kNoBlock;  // of what is recorded now
  bool again_ = false;       // in backward
  float* memory_ = nullptr;
};

}  // namespace ballast
