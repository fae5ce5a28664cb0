// The whole GPT: gradients against central differences of the fp64 reference, bits against the
// number of threads and the kernel table, the order and completeness of the range reports, initial
// values.
#include "services/engine/gpt.h"

#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "services/engine/fingerprint.h"
#include "tests/engine/reference.h"

namespace ballast {
namespace {

constexpr GptConfig kOdd{.layers = 2, .heads = 3, .channels = 15, .context = 7, .vocabulary = 23};
constexpr GptConfig kWide{
    .layers = 2, .heads = 4, .channels = 64, .context = 80, .vocabulary = 256};
constexpr DropoutKey kKey{.seed = 5, .step = 7, .microbatch = 2};

GptConfig with_dropout(GptConfig config) {
  config.dropout = 0.2;
  return config;
}

GptConfig exact(GptConfig config) {
  config.activation = Gelu::kExact;
  return config;
}

GptConfig recomputed(GptConfig config) {
  config.recompute = true;
  return config;
}

struct Problem {
  explicit Problem(const GptConfig& config, uint32_t count = 3) : sequences(count) {
    layout = *gpt_layout(config);
    parameters.resize(layout.elements);
    gpt_initial_values(config, layout, 5, 0, parameters);
    for (size_t i = 0; i < parameters.size(); ++i) {
      parameters[i] *= 3;  // away from the start, where gradients of attention almost vanish
    }
    tokens = reference::some_tokens(sequences * config.context, config.vocabulary, 1);
    targets = reference::some_tokens(sequences * config.context, config.vocabulary, 2);
    gradients.assign(layout.elements, std::nanf(""));
  }
  uint32_t sequences;
  Layout layout;
  std::vector<float> parameters;
  std::vector<uint32_t> tokens;
  std::vector<uint32_t> targets;
  std::vector<float> gradients;
};

// Forward, then backward.
Result<LossSum> train(Gpt& model, Problem& problem, const NeedFunction& need = {},
                      const RangeFunction& final = {}) {
  auto sum = model.forward(problem.parameters, problem.tokens, problem.targets, need, kKey);
  if (sum) {
    model.backward(problem.gradients, final);
  }
  return sum;
}

struct Outcome {
  double loss = 0;
  std::vector<float> gradients;
  bool operator==(const Outcome& other) const {
    return std::memcmp(&loss, &other.loss, sizeof loss) == 0 &&
           std::memcmp(gradients.data(), other.gradients.data(),
                       gradients.size() * sizeof(float)) == 0;
  }
};

Outcome run(const GptConfig& config, size_t threads, const KernelTable& kernels) {
  Problem problem(config);
  ThreadPool pool(threads);
  Gpt model(config, problem.sequences, {&pool, &kernels});
  const auto sum = train(model, problem);
  return {sum->loss, problem.gradients};
}

TEST(Gpt, LossAndGradientsMatchTheReference) {
  for (const GptConfig& config :
       {kOdd, with_dropout(kOdd), exact(kOdd), recomputed(with_dropout(kOdd))}) {
    Problem problem(config);
    ThreadPool pool(2);
    Gpt model(config, problem.sequences, {&pool, &best_kernels()});
    const auto sum = train(model, problem);
    ASSERT_TRUE(sum);
    const std::optional<DropoutKey> key = config.dropout > 0 ? std::optional(kKey) : std::nullopt;
    const auto loss = [&](const reference::Numbers& at) {
      return reference::gpt_loss(config, problem.layout, at, problem.tokens, problem.targets, key);
    };
    const auto at = reference::widen(problem.parameters);
    EXPECT_NEAR(sum->loss, loss(at), 1e-5 * sum->loss);
    EXPECT_EQ(sum->tokens, problem.tokens.size());
    for (const Tensor& tensor : problem.layout.tensors) {
      const uint64_t stride = 1 + tensor.elements / 8;
      for (uint64_t i = 0; i < tensor.elements; i += stride) {
        const double expected = reference::slope(loss, at, tensor.offset + i);
        ASSERT_NEAR(problem.gradients[tensor.offset + i], expected, 2e-4 * (1 + std::abs(expected)))
            << tensor.name << " element " << i;
      }
    }
  }
}

TEST(Gpt, DropoutActsInTrainingAloneAndDependsOnItsKey) {
  const GptConfig config = with_dropout(kOdd);
  Problem problem(config);
  ThreadPool pool(2);
  Gpt plain(kOdd, problem.sequences, {&pool, &best_kernels()});
  Gpt dropping(config, problem.sequences, {&pool, &best_kernels()});
  const auto loss = [&](Gpt& model, const std::optional<DropoutKey>& key) {
    return model.forward(problem.parameters, problem.tokens, problem.targets, {}, key)->loss;
  };
  EXPECT_EQ(loss(dropping, std::nullopt), loss(plain, kKey));
  const double first = loss(dropping, kKey);
  EXPECT_EQ(first, loss(dropping, kKey));
  DropoutKey other = kKey;
  other.microbatch = 3;
  EXPECT_NE(first, loss(dropping, other));
  EXPECT_NE(first, loss(dropping, std::nullopt));
}

// The same bits, with the memory of one layer and of the stream between layers.
TEST(Gpt, RecomputingChangesNoBitAndSavesMemory) {
  for (GptConfig config : {kOdd, with_dropout(kWide)}) {
    config.layers = 6;
    EXPECT_TRUE(run(config, 2, best_kernels()) == run(recomputed(config), 2, best_kernels()));
    ThreadPool pool(1);
    const auto activations = [&](const GptConfig& of) {
      return static_cast<double>(Gpt(of, 3, {&pool, &best_kernels()}).memory().activations);
    };
    EXPECT_LT(activations(recomputed(config)), 0.45 * activations(config));
    GptConfig deeper = config;
    deeper.layers += 2;
    const double stream = 3.0 * config.context * config.channels * sizeof(float);
    EXPECT_NEAR(activations(recomputed(deeper)) - activations(recomputed(config)), 2 * stream,
                0.5 * stream);
  }
}

// What is masked neither counts nor teaches: two masks that complete each other add up to no mask.
TEST(Gpt, MaskedTargetsDoNotCount) {
  Problem problem(kOdd);
  ThreadPool pool(2);
  Gpt model(kOdd, problem.sequences, {&pool, &best_kernels()});
  const auto whole = train(model, problem);
  const std::vector<float> whole_gradients = problem.gradients;
  const auto targets = problem.targets;
  const auto part = [&](bool odd) {
    problem.targets = targets;
    for (size_t i = 0; i < targets.size(); ++i) {
      if ((i % 2 == 1) == odd) problem.targets[i] = kMaskedTarget;
    }
    return *train(model, problem);
  };
  const LossSum odd = part(false);
  const std::vector<float> odd_gradients = problem.gradients;
  const LossSum even = part(true);
  EXPECT_EQ(odd.tokens, 10u);
  EXPECT_EQ(even.tokens, 11u);
  EXPECT_NEAR(odd.loss + even.loss, whole->loss, 1e-9 * whole->loss);
  for (size_t i = 0; i < whole_gradients.size(); ++i) {
    ASSERT_NEAR(odd_gradients[i] + problem.gradients[i], whole_gradients[i],
                1e-4 * (1 + std::abs(whole_gradients[i])));
  }
  problem.targets.assign(targets.size(), kMaskedTarget);
  const auto nothing = train(model, problem);
  EXPECT_EQ(nothing->tokens, 0u);
  EXPECT_EQ(nothing->loss, 0.0);
  EXPECT_EQ(std::count(problem.gradients.begin(), problem.gradients.end(), 0.0F),
            static_cast<ptrdiff_t>(problem.gradients.size()));
}

TEST(Gpt, EveryElementOfTheGradientIsSetAndPaddingIsZero) {
  Problem problem(kOdd);
  ThreadPool pool(1);
  Gpt model(kOdd, problem.sequences, {&pool, &best_kernels()});
  ASSERT_TRUE(train(model, problem));
  uint64_t end = 0;
  for (const Tensor& tensor : problem.layout.tensors) {
    for (; end < tensor.offset; ++end) {
      ASSERT_EQ(problem.gradients[end], 0.0F);
    }
    for (; end < tensor.offset + tensor.elements; ++end) {
      ASSERT_TRUE(std::isfinite(problem.gradients[end])) << tensor.name;
    }
  }
}

TEST(Gpt, BitsDoNotDependOnThreadsOrKernelTable) {
  for (const GptConfig& config : {kOdd, kWide, exact(with_dropout(kWide))}) {
    const Outcome expected = run(config, 1, best_kernels());
    for (const size_t threads : {2u, 3u, 4u}) {
      EXPECT_TRUE(run(config, threads, best_kernels()) == expected) << threads << " threads";
    }
    const KernelTable* tables[3] = {};
    const size_t count = available_kernels(tables);
    for (size_t i = 0; i < count; ++i) {
      EXPECT_TRUE(run(config, 1, *tables[i]) == expected) << tables[i]->name;
    }
  }
}

TEST(Gpt, BitsDoNotDependOnWhatRanBefore) {
  const Outcome expected = run(kWide, 1, best_kernels());
  Problem problem(kWide);
  ThreadPool pool(1);
  Gpt model(kWide, 8, {&pool, &best_kernels()});  // room for more sequences than are used
  const auto other = reference::some_tokens(8 * kWide.context, kWide.vocabulary, 9);
  ASSERT_TRUE(model.forward(problem.parameters, other, other));
  model.backward(problem.gradients);
  for (int i = 0; i < 2; ++i) {
    const auto sum = train(model, problem);
    EXPECT_TRUE((Outcome{sum->loss, problem.gradients}) == expected);
    EXPECT_EQ(model.forward(problem.parameters, problem.tokens, problem.targets)->loss,
              expected.loss);
  }
}

// Touching ranges, each element once.
void expect_cover(std::vector<std::pair<uint64_t, uint64_t>> ranges, uint64_t elements) {
  std::sort(ranges.begin(), ranges.end());
  uint64_t next = 0;
  for (const auto& [begin, end] : ranges) {
    ASSERT_EQ(begin, next);
    ASSERT_LT(begin, end);
    next = end;
  }
  ASSERT_EQ(next, elements);
}

TEST(Gpt, RangesAreNeededAndFinalExactlyOnce) {
  Problem problem(kOdd);
  ThreadPool pool(1);
  Gpt model(kOdd, problem.sequences, {&pool, &best_kernels()});
  std::vector<std::pair<uint64_t, uint64_t>> needed;
  std::vector<std::pair<uint64_t, uint64_t>> final;
  std::vector<float> when_final(problem.layout.elements);
  ASSERT_TRUE(train(
      model, problem,
      [&](uint64_t begin, uint64_t end) {
        needed.emplace_back(begin, end);
        return true;
      },
      [&](uint64_t begin, uint64_t end) {
        final.emplace_back(begin, end);
        std::copy(problem.gradients.begin() + static_cast<ptrdiff_t>(begin),
                  problem.gradients.begin() + static_cast<ptrdiff_t>(end),
                  when_final.begin() + static_cast<ptrdiff_t>(begin));
      }));
  expect_cover(needed, problem.layout.elements);
  expect_cover(final, problem.layout.elements);
  EXPECT_TRUE(std::is_sorted(needed.begin(), needed.end()));
  EXPECT_TRUE(std::is_sorted(final.rbegin(), final.rend()));
  EXPECT_EQ(
      std::memcmp(when_final.data(), problem.gradients.data(), when_final.size() * sizeof(float)),
      0);
}

TEST(Gpt, ReadsNoParameterBeforeItAskedForIt) {
  Problem problem(kOdd);
  ThreadPool pool(1);
  Gpt model(kOdd, problem.sequences, {&pool, &best_kernels()});
  std::vector<float> arriving(problem.parameters.size(), std::nanf(""));
  const auto sum =
      model.forward(arriving, problem.tokens, problem.targets, [&](uint64_t begin, uint64_t end) {
        std::copy(problem.parameters.begin() + static_cast<ptrdiff_t>(begin),
                  problem.parameters.begin() + static_cast<ptrdiff_t>(end),
                  arriving.begin() + static_cast<ptrdiff_t>(begin));
        return true;
      });
  EXPECT_EQ(sum->loss, model.forward(problem.parameters, problem.tokens, problem.targets)->loss);
}

TEST(Gpt, StopsWhereParametersAreNotNeededAnyMore) {
  Problem problem(kOdd);
  ThreadPool pool(1);
  Gpt model(kOdd, problem.sequences, {&pool, &best_kernels()});
  int left = 3;
  const auto sum = model.forward(problem.parameters, problem.tokens, problem.targets,
                                 [&](uint64_t, uint64_t) { return left-- > 0; });
  ASSERT_FALSE(sum);
  EXPECT_EQ(sum.error().code, ErrorCode::kGone);
  EXPECT_EQ(left, -1);
}

TEST(Gpt, FewerSequencesThanPlanned) {
  Problem problem(kOdd, 1);
  ThreadPool pool(1);
  Gpt small(kOdd, 1, {&pool, &best_kernels()});
  Gpt large(kOdd, 5, {&pool, &best_kernels()});
  EXPECT_EQ(small.forward(problem.parameters, problem.tokens, problem.targets)->loss,
            large.forward(problem.parameters, problem.tokens, problem.targets)->loss);
}

TEST(Gpt, LogitsMatchTheReferenceForShortWindows) {
  Problem problem(kOdd);
  ThreadPool pool(1);
  Gpt model(kOdd, 1, {&pool, &best_kernels()});
  const reference::Numbers parameters = reference::widen(problem.parameters);
  const reference::Numbers table(
      parameters.begin(),
      parameters.begin() + static_cast<ptrdiff_t>(problem.layout.tensors[0].elements));
  for (size_t length = 1; length <= kOdd.context; ++length) {
    const std::vector<uint32_t> window(problem.tokens.begin(),
                                       problem.tokens.begin() + static_cast<ptrdiff_t>(length));
    std::vector<float> found(kOdd.vocabulary);
    ASSERT_TRUE(model.logits(problem.parameters, window, found));
    const auto body = reference::gpt_body(kOdd, problem.layout, parameters, window, length);
    const auto expected = reference::logits(body, table, kOdd.channels);
    for (size_t v = 0; v < found.size(); ++v) {
      ASSERT_NEAR(found[v], expected[(length - 1) * kOdd.vocabulary + v], 1e-4);
    }
  }
}

TEST(Gpt, RefusesBadTokensAndLengths) {
  Problem problem(kOdd);
  ThreadPool pool(1);
  Gpt model(kOdd, problem.sequences, {&pool, &best_kernels()});
  bool called = false;
  const NeedFunction note = [&](uint64_t, uint64_t) { return called = true; };
  auto targets = problem.targets;
  targets[4] = 23;
  auto result = model.forward(problem.parameters, problem.tokens, targets, note);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, "target number 4 is 23, the vocabulary has 23");
  targets.pop_back();
  result = model.forward(problem.parameters, problem.tokens, targets, note);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message,
            "21 tokens and 20 targets, expected 1 to 3 windows of 7 of both");
  EXPECT_FALSE(model.forward(problem.parameters, {}, {}, note));
  EXPECT_FALSE(called);
  std::vector<float> logits(kOdd.vocabulary);
  EXPECT_FALSE(model.logits(problem.parameters, {}, logits));
  EXPECT_FALSE(model.logits(problem.parameters, problem.tokens, logits));
}

TEST(GptLayout, HasTheTensorsOfGpt2) {
  const Layout layout = *gpt_layout({12, 12, 768, 1024, 50257});
  uint64_t parameters = 0;
  for (const Tensor& tensor : layout.tensors) {
    parameters += tensor.elements;
  }
  EXPECT_EQ(parameters, 124439808u);
  EXPECT_EQ(layout.tensors.size(), 148u);
  EXPECT_EQ(layout.tensors[0].name, "wte.weight");
  EXPECT_EQ(layout.tensors[4].name, "h.0.attn.c_attn.weight");
  EXPECT_EQ(layout.tensors[4].shape, (std::vector<uint64_t>{768, 2304}));
  EXPECT_EQ(layout.tensors[4].group, ParameterGroup::kDecay);
  EXPECT_EQ(layout.tensors[147].name, "ln_f.bias");
  EXPECT_EQ(layout.tensors[147].group, ParameterGroup::kNoDecay);
}

TEST(GptLayout, RefusesBadConfigsByField) {
  const struct {
    GptConfig config;
    std::string message;
  } rows[] = {
      {{0, 1, 1, 1, 1}, "model.layers is 0, expected 1 to 1000"},
      {{1, 0, 1, 1, 1}, "model.heads is 0, expected 1 to 1024"},
      {{1, 3, 16, 1, 1}, "model.embedding is 16, no multiple of model.heads 3"},
      {{1, 1, 16, 0, 1}, "model.context is 0, expected 1 to 1048576"},
      {{1, 1, 16, 1, 1 << 25}, "model.vocabulary is 33554432, expected 1 to 16777216"},
  };
  for (const auto& row : rows) {
    const auto layout = gpt_layout(row.config);
    ASSERT_FALSE(layout);
    EXPECT_EQ(layout.error().message, row.message);
  }
}

TEST(GptInitialValues, AreTheSameWhereverARangeIsCut) {
  const Layout layout = *gpt_layout(kOdd);
  std::vector<float> whole(layout.elements);
  gpt_initial_values(kOdd, layout, 42, 0, whole);
  for (const uint64_t size : {1u, 7u, 64u, 1000u}) {
    std::vector<float> cut(layout.elements);
    for (uint64_t begin = 0; begin < layout.elements; begin += size) {
      const uint64_t count = std::min(size, layout.elements - begin);
      gpt_initial_values(kOdd, layout, 42, begin, std::span(cut).subspan(begin, count));
    }
    EXPECT_EQ(whole, cut);
  }
}

TEST(GptInitialValues, HaveTheDeviationsOfGpt2) {
  const Layout layout = *gpt_layout(kWide);
  std::vector<float> values(layout.elements);
  gpt_initial_values(kWide, layout, 42, 0, values);
  for (const Tensor& tensor : layout.tensors) {
    double sum = 0;
    double squares = 0;
    for (uint64_t i = 0; i < tensor.elements; ++i) {
      const double value = values[tensor.offset + i];
      sum += value;
      squares += value * value;
    }
    const double count = static_cast<double>(tensor.elements);
    const double deviation = std::sqrt(squares / count);
    if (tensor.shape.size() == 2) {
      const bool residual = tensor.name.ends_with("c_proj.weight");
      EXPECT_NEAR(deviation, residual ? 0.01 : 0.02, 0.0005) << tensor.name;
      EXPECT_NEAR(sum / count, 0, 4 * 0.02 / std::sqrt(count)) << tensor.name;
    } else {
      const bool gain =
          tensor.name.find("ln_") != std::string::npos && tensor.name.ends_with("weight");
      EXPECT_EQ(deviation, gain ? 1.0 : 0.0) << tensor.name;
    }
  }
}

TEST(NumericsFingerprint, IsStableAndSaysWhatItStandsFor) {
  ThreadPool one(1);
  ThreadPool three(3);
  const std::string line = numerics_fingerprint({&one, &best_kernels()});
  EXPECT_EQ(line, numerics_fingerprint({&three, &best_kernels()}));
  EXPECT_NE(line.find("oneDNN"), std::string::npos);
  EXPECT_NE(line.find(best_kernels().name), std::string::npos);
}

}  // namespace
}  // namespace ballast
