#include "services/engine/gpt.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/check.h"
#include "services/engine/gpt_tensors.h"

namespace ballast {
namespace {

Layout layout_of(const GptConfig& config) {
  auto layout = gpt_layout(config);
  CHECK(layout.has_value());
  return std::move(*layout);
}

// Where dropout acts: no two places draw the same mask.
constexpr uint32_t kEmbeddingSite = 0;
constexpr uint32_t kFirstLayerSite = 1;
constexpr uint32_t kSitesOfLayer = 3;  // attention's probabilities, its branch, the other branch

}  // namespace

Gpt::Gpt(const GptConfig& config, uint32_t sequences, Compute compute)
    : config_(config), sequences_(sequences), compute_(compute), tape_(layout_of(config)) {
  CHECK(sequences >= 1);
  build();
  const size_t rows = size_t{sequences} * config.context;
  activations_ = FloatBuffer(tape_.plan(rows));
  tape_.use(activations_.data());
  logits_ = FloatBuffer(
      head_scratch({.rows = rows, .channels = config.channels, .vocabulary = config.vocabulary}));
  row_loss_.resize(rows);
}

Gpt::~Gpt() = default;

const float* Gpt::parameter(const Pass& pass, size_t tensor) const {
  return pass.parameters + layout().tensors[tensor].offset;
}

float* Gpt::gradient(const Pass& pass, size_t tensor) const {
  return pass.gradients + layout().tensors[tensor].offset;
}

void Gpt::build() {
  const size_t channels = config_.channels;
  ValueId x = record_dropout(record_embedding(), kEmbeddingSite);
  for (uint32_t layer = 0; layer < config_.layers; ++layer) {
    const size_t first = kFirstLayer + layer * kTensorsOfLayer;
    const uint32_t site = kFirstLayerSite + layer * kSitesOfLayer;
    if (config_.recompute) tape_.begin_block();
    ValueId branch = record_layer_norm(x, first + kNorm1);
    branch = record_linear(branch, first + kAttention, channels, 3 * channels);
    branch = record_attention(branch, site);
    branch = record_linear(branch, first + kAttentionOut, channels, channels);
    branch = record_dropout(branch, site + 1);
    x = record_residual(x, branch);
    branch = record_layer_norm(x, first + kNorm2);
    branch = record_linear(branch, first + kExpand, channels, 4 * channels);
    branch = record_gelu(branch);
    branch = record_linear(branch, first + kContract, 4 * channels, channels);
    branch = record_dropout(branch, site + 2);
    x = record_residual(x, branch);
  }
  tape_.end_block();
  x = record_layer_norm(x, kFirstLayer + config_.layers * kTensorsOfLayer);
  record_head(x);
}

ValueId Gpt::record_embedding() {
  const ValueId out = tape_.value(config_.channels);
  const auto op = [this](const Pass& pass) {
    return Embedding{pass.tokens, config_.channels, config_.context};
  };
  tape_.record(
      {.inputs = {},
       .outputs = {out},
       .kept = {},
       .parameters = {kTokenTable, kPositionTable},
       .forward =
           [=, this](Pass& pass) {
             embedding_forward(compute_, pass.shape, op(pass), parameter(pass, kTokenTable),
                               parameter(pass, kPositionTable), tape_.data(out));
           },
       .backward =
           [=, this](Pass& pass, const std::vector<bool>&) {
             embedding_backward(compute_, pass.shape, op(pass), tape_.gradient(out),
                                gradient(pass, kTokenTable), gradient(pass, kPositionTable));
           }});
  return out;
}

ValueId Gpt::record_layer_norm(ValueId in, size_t gain) {
  const size_t columns = config_.channels;
  const ValueId out = tape_.value(columns);
  const ValueId mean = tape_.value(1);
  const ValueId scale = tape_.value(1);
  tape_.record({.inputs = {in},
                .outputs = {out},
                .kept = {in, mean, scale},
                .parameters = {gain, gain + 1},
                .forward =
                    [=, this](Pass& pass) {
                      layer_norm_forward(compute_, pass.shape.rows(),
                                         {.input = tape_.data(in),
                                          .gain = parameter(pass, gain),
                                          .bias = parameter(pass, gain + 1),
                                          .output = tape_.data(out),
                                          .mean = tape_.data(mean),
                                          .scale = tape_.data(scale),
                                          .columns = columns});
                    },
                .backward =
                    [=, this](Pass& pass, const std::vector<bool>& accumulate) {
                      layer_norm_backward(compute_, {.input = tape_.data(in),
                                                     .gain = parameter(pass, gain),
                                                     .mean = tape_.data(mean),
                                                     .scale = tape_.data(scale),
                                                     .output_gradient = tape_.gradient(out),
                                                     .input_gradient = tape_.gradient(in),
                                                     .gain_gradient = gradient(pass, gain),
                                                     .bias_gradient = gradient(pass, gain + 1),
                                                     .rows = pass.shape.rows(),
                                                     .columns = columns,
                                                     .accumulate = accumulate[0]});
                    }});
  return out;
}

ValueId Gpt::record_linear(ValueId in, size_t weight, size_t inputs, size_t outputs) {
  const ValueId out = tape_.value(outputs);
  const auto op = [=](const Pass& pass) { return Linear{pass.shape.rows(), inputs, outputs}; };
  tape_.record({.inputs = {in},
                .outputs = {out},
                .kept = {in},
                .parameters = {weight, weight + 1},
                .forward =
                    [=, this](Pass& pass) {
                      linear_forward(compute_, op(pass), tape_.data(in), parameter(pass, weight),
                                     parameter(pass, weight + 1), tape_.data(out));
                    },
                .backward =
                    [=, this](Pass& pass, const std::vector<bool>& accumulate) {
                      CHECK(!accumulate[0]);
                      linear_backward(compute_, op(pass), tape_.data(in), parameter(pass, weight),
                                      tape_.gradient(out), tape_.gradient(in),
                                      gradient(pass, weight), gradient(pass, weight + 1));
                    }});
  return out;
}

ValueId Gpt::record_attention(ValueId qkv, uint32_t site) {
  const ValueId out = tape_.value(config_.channels);
  const ValueId maximum = tape_.value(config_.heads);
  const ValueId inverse_sum = tape_.value(config_.heads);
  // With the mask of the pass, which must outlive what is called with it.
  const auto with_op = [=, this](const Pass& pass, const auto& call) {
    const bool drops = config_.dropout > 0 && pass.dropout;
    const DropoutMask mask = drops ? dropout_of(pass, site) : DropoutMask{};
    call(Attention{config_.heads, config_.channels, drops ? &mask : nullptr});
  };
  tape_.record(
      {.inputs = {qkv},
       .outputs = {out},
       .kept = {qkv, out, maximum, inverse_sum},
       .parameters = {},
       .forward =
           [=, this](Pass& pass) {
             with_op(pass, [&](const Attention& op) {
               attention_forward(compute_, pass.shape, op, tape_.data(qkv), tape_.data(out),
                                 tape_.data(maximum), tape_.data(inverse_sum));
             });
           },
       .backward =
           [=, this](Pass& pass, const std::vector<bool>& accumulate) {
             CHECK(!accumulate[0]);
             with_op(pass, [&](const Attention& op) {
               attention_backward(compute_, pass.shape, op, tape_.data(qkv), tape_.data(out),
                                  tape_.data(maximum), tape_.data(inverse_sum), tape_.gradient(out),
                                  tape_.gradient(qkv));
             });
           }});
  return out;
}

ValueId Gpt::record_gelu(ValueId in) {
  const size_t columns = 4 * size_t{config_.channels};
  const ValueId out = tape_.value(columns);
  tape_.share_gradient(in, out);
  tape_.record({.inputs = {in},
                .outputs = {out},
                .kept = {in},
                .parameters = {},
                .forward =
                    [=, this](Pass& pass) {
                      gelu_forward(compute_, config_.activation, pass.shape.rows() * columns,
                                   tape_.data(in), tape_.data(out));
                    },
                .backward =
                    [=, this](Pass& pass, const std::vector<bool>&) {
                      gelu_backward(compute_, config_.activation, pass.shape.rows() * columns,
                                    tape_.data(in), tape_.gradient(in));
                    }});
  return out;
}

DropoutMask Gpt::dropout_of(const Pass& pass, uint32_t site) const {
  return dropout_mask(*pass.dropout, site, config_.dropout);
}

ValueId Gpt::record_dropout(ValueId in, uint32_t site) {
  if (config_.dropout == 0) {
    return in;
  }
  const size_t columns = config_.channels;
  const ValueId out = tape_.value(columns);
  const auto apply = [=, this](const Pass& pass, const float* from, float* to) {
    const size_t rows = pass.shape.rows();
    if (pass.dropout) {
      dropout_apply(compute_, dropout_of(pass, site), rows, columns, from, to);
    } else {
      std::copy_n(from, rows * columns, to);
    }
  };
  // Not in place: the gradient of a branch is that of the stream, too.
  tape_.record({.inputs = {in},
                .outputs = {out},
                .kept = {},
                .parameters = {},
                .forward = [=, this](Pass& pass) { apply(pass, tape_.data(in), tape_.data(out)); },
                .backward =
                    [=, this](Pass& pass, const std::vector<bool>& accumulate) {
                      CHECK(!accumulate[0]);
                      apply(pass, tape_.gradient(out), tape_.gradient(in));
                    }});
  return out;
}

ValueId Gpt::record_residual(ValueId a, ValueId b) {
  const size_t columns = config_.channels;
  const ValueId out = tape_.value(columns);
  tape_.share_gradient(a, out);
  tape_.share_gradient(b, out);
  tape_.record({.inputs = {a, b},
                .outputs = {out},
                .kept = {},
                .parameters = {},
                .forward =
                    [=, this](Pass& pass) {
                      residual_forward(compute_, pass.shape.rows() * columns, tape_.data(a),
                                       tape_.data(b), tape_.data(out));
                    },
                .backward = [](Pass&, const std::vector<bool>&) {}});
  return out;
}

void Gpt::record_head(ValueId in) {
  last_ = in;
  const auto op = [this](const Pass& pass) {
    return Head{pass.shape.rows(), config_.channels, config_.vocabulary};
  };
  tape_.record({.inputs = {in},
                .outputs = {},
                .kept = {in},
                .parameters = {kTokenTable},
                .forward =
                    [=, this](Pass& pass) {
                      if (pass.targets != nullptr) {
                        pass.loss = head_forward(compute_, op(pass), tape_.data(in),
                                                 parameter(pass, kTokenTable), pass.targets,
                                                 logits_.data(), row_loss_.data());
                      }
                    },
                .backward =
                    [=, this](Pass& pass, const std::vector<bool>& accumulate) {
                      CHECK(!accumulate[0]);
                      head_backward(compute_, op(pass), tape_.data(in),
                                    parameter(pass, kTokenTable), pass.targets, logits_.data(),
                                    tape_.gradient(in), gradient(pass, kTokenTable));
                    }});
}

MemoryBytes Gpt::memory() const {
  return {.parameters = layout().elements * sizeof(float),
          .gradients = layout().elements * sizeof(float),
          .activations = activations_.size() * sizeof(float),
          .logits = logits_.size() * sizeof(float) + row_loss_.size() * sizeof(double)};
}

Result<void> Gpt::check_tokens(std::span<const uint32_t> tokens) const {
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] >= config_.vocabulary) {
      return fail(ErrorCode::kInvalid, fmt::format("token number {} is {}, the vocabulary has {}",
                                                   i, tokens[i], config_.vocabulary));
    }
  }
  return {};
}

Result<void> Gpt::check_targets(std::span<const uint32_t> targets) const {
  for (size_t i = 0; i < targets.size(); ++i) {
    if (targets[i] >= config_.vocabulary && targets[i] != kMaskedTarget) {
      return fail(ErrorCode::kInvalid, fmt::format("target number {} is {}, the vocabulary has {}",
                                                   i, targets[i], config_.vocabulary));
    }
  }
  return {};
}

Result<Pass> Gpt::windows(std::span<const float> parameters, std::span<const uint32_t> tokens,
                          std::span<const uint32_t> targets) const {
  CHECK(parameters.size() == layout().elements);
  const size_t most = size_t{sequences_} * config_.context;
  if (tokens.empty() || tokens.size() > most || tokens.size() % config_.context != 0 ||
      targets.size() != tokens.size()) {
    return fail(ErrorCode::kInvalid,
                fmt::format("{} tokens and {} targets, expected 1 to {} windows of {} of both",
                            tokens.size(), targets.size(), sequences_, config_.context));
  }
  if (auto checked = check_tokens(tokens); !checked) {
    return tl::unexpected(checked.error());
  }
  if (auto checked = check_targets(targets); !checked) {
    return tl::unexpected(checked.error());
  }
  Pass pass;
  pass.shape = {tokens.size() / config_.context, config_.context};
  pass.tokens = tokens.data();
  pass.targets = targets.data();
  pass.parameters = parameters.data();
  return pass;
}

void Gpt::clear_padding(std::span<float> gradients) const {
  const auto& tensors = layout().tensors;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const uint64_t begin = tensors[i].offset + tensors[i].elements;
    const uint64_t end = i + 1 < tensors.size() ? tensors[i + 1].offset : layout().elements;
    std::fill(gradients.begin() + static_cast<ptrdiff_t>(begin),
              gradients.begin() + static_cast<ptrdiff_t>(end), 0.0F);
  }
}

Result<LossSum> Gpt::forward(std::span<const float> parameters, std::span<const uint32_t> tokens,
                             std::span<const uint32_t> targets, const NeedFunction& need,
                             const std::optional<DropoutKey>& dropout) {
  pass_.reset();
  auto pass = windows(parameters, tokens, targets);
  if (!pass) {
    return tl::unexpected(pass.error());
  }
  pass->dropout = dropout;
  if (!tape_.forward(*pass, need)) {
    return fail(ErrorCode::kGone, "the parameters are not needed any more");
  }
  pass_ = *pass;
  const auto masked = std::count(targets.begin(), targets.end(), kMaskedTarget);
  return LossSum{pass->loss, targets.size() - static_cast<size_t>(masked)};
}

void Gpt::backward(std::span<float> gradients, const RangeFunction& final) {
  CHECK(pass_.has_value() && gradients.size() == layout().elements);
  pass_->gradients = gradients.data();
  clear_padding(gradients);
  tape_.backward(*pass_, final);
  pass_.reset();
}

Result<void> Gpt::logits(std::span<const float> parameters, std::span<const uint32_t> tokens,
                         std::span<float> out) {
  CHECK(parameters.size() == layout().elements && out.size() == config_.vocabulary);
  if (tokens.empty() || tokens.size() > config_.context) {
    return fail(ErrorCode::kInvalid, fmt::format("a window of {} tokens, expected 1 to {}",
                                                 tokens.size(), config_.context));
  }
  if (auto checked = check_tokens(tokens); !checked) {
    return checked;
  }
  pass_.reset();
  Pass pass;
  pass.shape = {1, tokens.size()};
  pass.tokens = tokens.data();
  pass.parameters = parameters.data();
  tape_.forward(pass, {});
  const size_t channels = config_.channels;
  head_logits(compute_, {1, channels, config_.vocabulary},
              tape_.data(last_) + (tokens.size() - 1) * channels, parameter(pass, kTokenTable),
              out.data());
  return {};
}

}  // namespace ballast
