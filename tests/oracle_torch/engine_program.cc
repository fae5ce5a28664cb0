// oracle_engine OPERATION FOLDER NUMBER...: one operation of the engine, forward and backward, on
// arrays from files; its peer is operations_test.py.
#include <map>
#include <string>
#include <vector>

#include "services/engine/operations.h"
#include "tests/oracle_torch/raw_files.h"

namespace ballast::oracle {
namespace {

using Floats = std::vector<float>;

struct Case {
  RawFiles files;
  std::vector<size_t> numbers;
  Compute compute;
};

void embedding(const Case& c) {
  const BatchShape shape{c.numbers[0], c.numbers[1]};
  const size_t channels = c.numbers[2];
  const size_t context = c.numbers[3];
  const size_t vocabulary = c.numbers[4];
  const auto tokens = c.files.numbers("tokens", shape.rows());
  const Embedding op{tokens.data(), channels, context};
  const Floats table = c.files.floats("table", vocabulary * channels);
  const Floats positions = c.files.floats("positions", context * channels);
  const Floats out_gradient = c.files.floats("out_gradient", shape.rows() * channels);
  Floats out(out_gradient.size());
  Floats table_gradient(table.size());
  Floats positions_gradient(positions.size());
  embedding_forward(c.compute, shape, op, table.data(), positions.data(), out.data());
  embedding_backward(c.compute, shape, op, out_gradient.data(), table_gradient.data(),
                     positions_gradient.data());
  c.files.write("out", out);
  c.files.write("table_gradient", table_gradient);
  c.files.write("positions_gradient", positions_gradient);
}

void layer_norm(const Case& c) {
  const size_t rows = c.numbers[0];
  const size_t columns = c.numbers[1];
  const Floats in = c.files.floats("in", rows * columns);
  const Floats gain = c.files.floats("gain", columns);
  const Floats bias = c.files.floats("bias", columns);
  const Floats out_gradient = c.files.floats("out_gradient", rows * columns);
  Floats out(in.size());
  Floats mean(rows);
  Floats scale(rows);
  Floats in_gradient(in.size());
  Floats gain_gradient(columns);
  Floats bias_gradient(columns);
  layer_norm_forward(
      c.compute, rows,
      {in.data(), gain.data(), bias.data(), out.data(), mean.data(), scale.data(), columns});
  layer_norm_backward(c.compute, {.input = in.data(),
                                  .gain = gain.data(),
                                  .mean = mean.data(),
                                  .scale = scale.data(),
                                  .output_gradient = out_gradient.data(),
                                  .input_gradient = in_gradient.data(),
                                  .gain_gradient = gain_gradient.data(),
                                  .bias_gradient = bias_gradient.data(),
                                  .rows = rows,
                                  .columns = columns});
  c.files.write("out", out);
  c.files.write("in_gradient", in_gradient);
  c.files.write("gain_gradient", gain_gradient);
  c.files.write("bias_gradient", bias_gradient);
}

void linear(const Case& c) {
  const Linear op{c.numbers[0], c.numbers[1], c.numbers[2]};
  const Floats in = c.files.floats("in", op.rows * op.inputs);
  const Floats weight = c.files.floats("weight", op.inputs * op.outputs);
  const Floats bias = c.files.floats("bias", op.outputs);
  const Floats out_gradient = c.files.floats("out_gradient", op.rows * op.outputs);
  Floats out(out_gradient.size());
  Floats in_gradient(in.size());
  Floats weight_gradient(weight.size());
  Floats bias_gradient(bias.size());
  linear_forward(c.compute, op, in.data(), weight.data(), bias.data(), out.data());
  linear_backward(c.compute, op, in.data(), weight.data(), out_gradient.data(), in_gradient.data(),
                  weight_gradient.data(), bias_gradient.data());
  c.files.write("out", out);
  c.files.write("in_gradient", in_gradient);
  c.files.write("weight_gradient", weight_gradient);
  c.files.write("bias_gradient", bias_gradient);
}

// Percent.
DropoutMask mask_of(size_t percent) {
  return dropout_mask({.seed = 11, .step = 12, .microbatch = 13}, 14,
                      static_cast<double>(percent) / 100);
}

// Also what the mask multiplies with.
void dropout(const Case& c) {
  const size_t rows = c.numbers[0];
  const size_t columns = c.numbers[1];
  const DropoutMask mask = mask_of(c.numbers[2]);
  const Floats in = c.files.floats("in", rows * columns);
  Floats gradient = c.files.floats("out_gradient", in.size());
  Floats out(in.size());
  Floats factors(in.size(), 1.0F);
  dropout_apply(c.compute, mask, rows, columns, in.data(), out.data());
  dropout_apply(c.compute, mask, rows, columns, gradient.data(), gradient.data());
  dropout_apply(c.compute, mask, rows, columns, factors.data(), factors.data());
  c.files.write("factors", factors);
  c.files.write("out", out);
  c.files.write("in_gradient", gradient);
}

void attention(const Case& c) {
  const BatchShape shape{c.numbers[0], c.numbers[1]};
  const DropoutMask mask = mask_of(c.numbers[4]);
  const Attention op{c.numbers[2], c.numbers[3], c.numbers[4] > 0 ? &mask : nullptr};
  const Floats qkv = c.files.floats("qkv", shape.rows() * 3 * op.channels);
  const Floats out_gradient = c.files.floats("out_gradient", shape.rows() * op.channels);
  Floats out(out_gradient.size());
  Floats maximum(op.heads * shape.rows());
  Floats inverse_sum(maximum.size());
  Floats qkv_gradient(qkv.size());
  attention_forward(c.compute, shape, op, qkv.data(), out.data(), maximum.data(),
                    inverse_sum.data());
  attention_backward(c.compute, shape, op, qkv.data(), out.data(), maximum.data(),
                     inverse_sum.data(), out_gradient.data(), qkv_gradient.data());
  c.files.write("out", out);
  c.files.write("qkv_gradient", qkv_gradient);
}

void gelu(const Case& c) {
  const Gelu form = c.numbers[1] == 0 ? Gelu::kTanh : Gelu::kExact;
  const Floats in = c.files.floats("in", c.numbers[0]);
  Floats gradient = c.files.floats("out_gradient", c.numbers[0]);
  Floats out(in.size());
  gelu_forward(c.compute, form, in.size(), in.data(), out.data());
  gelu_backward(c.compute, form, in.size(), in.data(), gradient.data());
  c.files.write("out", out);
  c.files.write("in_gradient", gradient);
}

void residual(const Case& c) {
  const Floats a = c.files.floats("a", c.numbers[0]);
  const Floats b = c.files.floats("b", c.numbers[0]);
  Floats out(a.size());
  residual_forward(c.compute, a.size(), a.data(), b.data(), out.data());
  c.files.write("out", out);
}

void head(const Case& c) {
  const Head op{c.numbers[0], c.numbers[1], c.numbers[2]};
  const Floats in = c.files.floats("in", op.rows * op.channels);
  const Floats table = c.files.floats("table", op.vocabulary * op.channels);
  const auto targets = c.files.numbers("targets", op.rows);
  Floats logits(op.rows * op.vocabulary);
  for (size_t row = 0; row < op.rows; ++row) {
    head_logits(c.compute, op, in.data() + row * op.channels, table.data(),
                logits.data() + row * op.vocabulary);
  }
  Floats scratch(head_scratch(op));
  std::vector<double> row_loss(op.rows);
  Floats in_gradient(in.size());
  Floats table_gradient(table.size());
  const double loss = head_forward(c.compute, op, in.data(), table.data(), targets.data(),
                                   scratch.data(), row_loss.data());
  head_backward(c.compute, op, in.data(), table.data(), targets.data(), scratch.data(),
                in_gradient.data(), table_gradient.data());
  c.files.write("logits", logits);
  c.files.write("loss", {static_cast<float>(loss)});
  c.files.write("in_gradient", in_gradient);
  c.files.write("table_gradient", table_gradient);
}

struct Operation {
  void (*run)(const Case&);
  size_t numbers;
};

int run(const std::vector<std::string>& arguments) {
  static const std::map<std::string, Operation> operations = {
      {"embedding", {embedding, 5}}, {"layer_norm", {layer_norm, 2}},
      {"linear", {linear, 3}},       {"attention", {attention, 5}},
      {"dropout", {dropout, 3}},     {"gelu", {gelu, 2}},
      {"residual", {residual, 1}},   {"head", {head, 3}}};
  if (arguments.size() < 2) give_up("usage: oracle_engine OPERATION FOLDER NUMBER...");
  const auto found = operations.find(arguments[0]);
  if (found == operations.end()) give_up("no operation " + arguments[0]);
  std::vector<size_t> numbers;
  for (size_t i = 2; i < arguments.size(); ++i) numbers.push_back(std::stoul(arguments[i]));
  if (numbers.size() != found->second.numbers)
    give_up("other numbers than " + arguments[0] + " has");
  ThreadPool pool(2);
  found->second.run({RawFiles(arguments[1]), numbers, {&pool, &best_kernels()}});
  return 0;
}

}  // namespace
}  // namespace ballast::oracle

int main(int count, char** arguments) {
  return ballast::oracle::run(std::vector<std::string>(arguments + 1, arguments + count));
}
