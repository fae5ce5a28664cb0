// oracle_model FOLDER LAYERS HEADS CHANNELS CONTEXT VOCABULARY SEQUENCES ACTIVATION DROPOUT_PERCENT
//              RECOMPUTE
// Loss, gradients and logits of a GPT whose parameters and tokens come from files, its logits once
// more with the keys and values kept; and what dropout multiplied with, a file for each place. With
// "layout" for SEQUENCES, the last: a line a tensor, "name offset dimension...", then "arena
// elements". Its peer is model_test.py.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "services/engine/decoder.h"
#include "services/engine/gpt.h"
#include "tests/oracle_torch/raw_files.h"

namespace ballast::oracle {
namespace {

void print_layout(const Layout& layout) {
  for (const Tensor& tensor : layout.tensors) {
    std::printf("%s %llu", tensor.name.c_str(), static_cast<unsigned long long>(tensor.offset));
    for (const uint64_t dimension : tensor.shape) {
      std::printf(" %llu", static_cast<unsigned long long>(dimension));
    }
    std::printf("\n");
  }
  std::printf("arena %llu\n", static_cast<unsigned long long>(layout.elements));
}

// The logits behind each prefix of each window, [sequences, context, vocabulary]: `next` is given
// the prefix and where they go.
template <typename Next>
std::vector<float> all_logits(const GptConfig& config, const std::vector<uint32_t>& tokens,
                              const Next& next) {
  std::vector<float> logits(tokens.size() * config.vocabulary);
  for (size_t row = 0; row < tokens.size(); ++row) {
    const size_t begin = row / config.context * config.context;
    const auto prefix = std::span(tokens).subspan(begin, row - begin + 1);
    const auto out = std::span(logits).subspan(row * config.vocabulary, config.vocabulary);
    if (auto done = next(prefix, out); !done) give_up(done.error().message);
  }
  return logits;
}

// factors<site>.f32, in the order in which a pass meets them.
void write_factors(const RawFiles& files, const GptConfig& config, const DropoutKey& key,
                   size_t sequences, const Compute& compute) {
  const size_t rows = sequences * config.context;
  for (uint32_t site = 0; site < 1 + 3 * config.layers; ++site) {
    const bool attention = site % 3 == 1;
    const size_t columns = attention ? config.context : config.channels;
    std::vector<float> factors((attention ? config.heads * rows : rows) * columns, 1.0F);
    dropout_apply(compute, dropout_mask(key, site, config.dropout), factors.size() / columns,
                  columns, factors.data(), factors.data());
    files.write("factors" + std::to_string(site), factors);
  }
}

int run(const std::vector<std::string>& arguments) {
  const bool only_layout = arguments.size() == 7 && arguments[6] == "layout";
  if (!only_layout && arguments.size() != 10) {
    give_up("usage: oracle_model FOLDER, six numbers, ACTIVATION, two numbers");
  }
  const auto number = [&](size_t i) { return static_cast<uint32_t>(std::stoul(arguments[i])); };
  GptConfig config{number(1), number(2), number(3), number(4), number(5)};
  if (!only_layout) {
    const auto activation = parse_activation(arguments[7]);
    if (!activation) give_up(activation.error().message);
    config.activation = *activation;
    config.dropout = number(8) / 100.0;
    config.recompute = number(9) != 0;
  }
  const auto layout = gpt_layout(config);
  if (!layout) give_up(layout.error().message);
  if (only_layout) {
    print_layout(*layout);
    return 0;
  }
  const uint32_t sequences = number(6);
  const RawFiles files(arguments[0]);
  const auto parameters = files.floats("parameters", layout->elements);
  const auto tokens = files.numbers("tokens", size_t{sequences} * config.context);
  const auto targets = files.numbers("targets", tokens.size());
  ThreadPool pool(2);
  const Compute compute{&pool, &best_kernels()};
  Gpt model(config, sequences, compute);
  const DropoutKey key{.seed = 21, .step = 22, .microbatch = 23};
  const auto sum = model.forward(parameters, tokens, targets, {}, key);
  if (!sum) give_up(sum.error().message);
  std::vector<float> gradients(layout->elements);
  model.backward(gradients);
  files.write("loss", {static_cast<float>(sum->loss)});
  files.write("gradients", gradients);
  if (config.dropout > 0) write_factors(files, config, key, sequences, compute);
  files.write("logits", all_logits(config, tokens, [&](auto prefix, auto out) {
                return model.logits(parameters, prefix, out);
              }));
  Decoder decoder(config, parameters, compute);
  files.write("cached_logits", all_logits(config, tokens, [&](auto prefix, auto out) {
                if (prefix.size() == 1) decoder.clear();
                return decoder.append(prefix.last(1), out);
              }));
  return 0;
}

}  // namespace
}  // namespace ballast::oracle

int main(int count, char** arguments) {
  return ballast::oracle::run(std::vector<std::string>(arguments + 1, arguments + count));
}
