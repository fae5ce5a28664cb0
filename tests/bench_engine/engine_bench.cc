// The engine's speed on one thread, each figure beside its bound: a microbatch forward and backward
// next to nothing but its matrix products (same shapes, same library) and to one large product, in
// the same iterations. `of_products` is the share of the products' speed that is reached, `of_peak`
// that of the large product's, the arithmetic of attention counted.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "services/engine/gemm.h"
#include "services/engine/gpt.h"

namespace ballast {
namespace {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// A product of one layer or of the head: out [rows, n] from in [rows, k], forward and both
// backward.
struct Product {
  size_t n = 0;
  size_t k = 0;
  size_t times = 1;
};

std::vector<Product> products_of(const GptConfig& config) {
  const size_t c = config.channels;
  const size_t layers = config.layers;
  return {{3 * c, c, layers},
          {c, c, layers},
          {4 * c, c, layers},
          {c, 4 * c, layers},
          {config.vocabulary, c, 1}};
}

class Products {
 public:
  Products(const GptConfig& config, size_t rows, const Compute& compute)
      : list_(products_of(config)), rows_(rows), compute_(compute) {
    size_t widest = 1;
    for (const Product& product : list_) {
      widest = std::max({widest, product.n, product.k});
    }
    a_.assign(rows * widest, 0.5F);
    b_.assign(widest * config.channels * 4, 0.25F);
    c_.assign(std::max(rows * widest, b_.size()), 0.0F);
  }

  double flops() const {
    double flops = 0;
    for (const Product& product : list_) {
      flops += 6.0 * static_cast<double>(rows_ * product.n * product.k * product.times);
    }
    return flops;
  }

  void run() {
    for (const Product& product : list_) {
      for (size_t i = 0; i < product.times; ++i) {
        multiply(false, false, rows_, product.n, product.k);
        multiply(false, true, rows_, product.k, product.n);
        multiply(true, false, product.k, product.n, rows_);
      }
    }
  }

 private:
  void multiply(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k) {
    gemm(compute_, {.transpose_a = transpose_a,
                    .transpose_b = transpose_b,
                    .m = m,
                    .n = n,
                    .k = k,
                    .a = a_.data(),
                    .a_stride = transpose_a ? m : k,
                    .b = b_.data(),
                    .b_stride = transpose_b ? k : n,
                    .c = c_.data(),
                    .c_stride = n});
  }

  std::vector<Product> list_;
  size_t rows_;
  Compute compute_;
  std::vector<float> a_;
  std::vector<float> b_;
  std::vector<float> c_;
};

// A product large enough that nothing but arithmetic shows.
class Peak {
 public:
  explicit Peak(const Compute& compute) : compute_(compute) {}
  static constexpr double flops() { return 2.0 * kSide * kSide * kSide; }
  void run() {
    gemm_on_this_thread(compute_, {.m = kSide,
                                   .n = kSide,
                                   .k = kSide,
                                   .a = a_.data(),
                                   .a_stride = kSide,
                                   .b = b_.data(),
                                   .b_stride = kSide,
                                   .c = c_.data(),
                                   .c_stride = kSide});
  }

 private:
  static constexpr size_t kSide = 768;
  Compute compute_;
  std::vector<float> a_ = std::vector<float>(kSide * kSide, 0.5F);
  std::vector<float> b_ = std::vector<float>(kSide * kSide, 0.25F);
  std::vector<float> c_ = std::vector<float>(kSide * kSide);
};

// Forward and backward of causal attention: two and five products of half a square of scores.
double attention_flops(const GptConfig& config, uint32_t sequences) {
  const double square = static_cast<double>(config.context) * config.context / 2;
  return 7.0 * 2.0 * square * config.channels * config.layers * sequences;
}

void microbatch(benchmark::State& state, const GptConfig& config, uint32_t sequences) {
  ThreadPool pool(1);
  const Compute compute{&pool, &best_kernels()};
  Gpt model(config, sequences, compute);
  std::vector<float> parameters(model.layout().elements);
  gpt_initial_values(config, model.layout(), 1, 0, parameters);
  std::vector<float> gradients(parameters.size());
  std::vector<uint32_t> tokens(size_t{sequences} * config.context);
  for (size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = static_cast<uint32_t>(i * 37 % config.vocabulary);
  }
  Products products(config, tokens.size(), compute);
  Peak peak(compute);
  double model_seconds = 0;
  double product_seconds = 0;
  double peak_seconds = 0;
  for (auto _ : state) {
    const double began = seconds_now();
    benchmark::DoNotOptimize(model.forward(parameters, tokens, tokens, {}, DropoutKey{}));
    model.backward(gradients);
    const double middle = seconds_now();
    products.run();
    const double ended = seconds_now();
    peak.run();
    peak_seconds += seconds_now() - ended;
    model_seconds += middle - began;
    product_seconds += ended - middle;
    state.SetIterationTime(middle - began);
  }
  const double runs = static_cast<double>(state.iterations());
  state.counters["tokens/s"] = runs * static_cast<double>(tokens.size()) / model_seconds;
  state.counters["products_Gflop/s"] = runs * products.flops() / product_seconds / 1e9;
  state.counters["of_products"] = product_seconds / model_seconds;
  state.counters["activation_MiB"] =
      static_cast<double>(model.memory().activations) / (1024.0 * 1024.0);
  const double flops = products.flops() + attention_flops(config, sequences);
  state.counters["of_peak"] = flops / model_seconds / (Peak::flops() / peak_seconds);
}

BENCHMARK_CAPTURE(microbatch, quickstart, GptConfig{4, 4, 128, 64, 256}, 2)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(microbatch, medium, GptConfig{6, 6, 384, 256, 256}, 4)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

// What dropout and recomputation cost beside the same model without.
BENCHMARK_CAPTURE(microbatch, medium_dropout,
                  GptConfig{6, 6, 384, 256, 256, Gelu::kTanh, 0.1, false}, 4)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(microbatch, medium_recompute,
                  GptConfig{6, 6, 384, 256, 256, Gelu::kTanh, 0, true}, 4)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

void initial_values(benchmark::State& state) {
  const GptConfig config{4, 4, 128, 64, 256};
  const Layout layout = *gpt_layout(config);
  std::vector<float> values(layout.elements);
  for (auto _ : state) {
    gpt_initial_values(config, layout, 1, 0, values);
    benchmark::DoNotOptimize(values.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(values.size()));
}
BENCHMARK(initial_values)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ballast
