// What a GPT is on a device: the operations of its tape.
#include <tuple>

#include "common/check.h"
#include "services/engine/cuda/gpt_on_gpu.h"
#include "services/engine/gpt_tensors.h"

namespace ballast::cuda {
namespace {

// Where dropout acts, as in gpt.cc.
constexpr uint32_t kEmbeddingSite = 0;
constexpr uint32_t kFirstLayerSite = 1;
constexpr uint32_t kSitesOfLayer = 3;

}  // namespace

PaddedHead head_of(const GptConfig& config, size_t rows) {
  const size_t padded =
      (config.vocabulary + kVocabularyMultiple - 1) / kVocabularyMultiple * kVocabularyMultiple;
  return {
      .rows = rows, .channels = config.channels, .vocabulary = config.vocabulary, .padded = padded};
}

template <typename T>
void GptOnGpu<T>::build() {
  const size_t channels = config_.channels;
  ValueId x = record_dropout(record_embedding(), kEmbeddingSite);
  ValueId branch = 0;
  for (uint32_t layer = 0; layer < config_.layers; ++layer) {
    const size_t first = kFirstLayer + layer * kTensorsOfLayer;
    const uint32_t site = kFirstLayerSite + layer * kSitesOfLayer;
    ValueId normal = 0;
    if (layer == 0) {
      normal = record_layer_norm(x, first + kNorm1);
    } else {
      std::tie(x, normal) = record_residual_norm(x, branch, first + kNorm1);
    }
    // What comes again in backward begins behind the stream, which is kept.
    if (config_.recompute) tape_.begin_block();
    branch = record_linear(normal, first + kAttention, channels, 3 * channels);
    branch = record_attention(branch, site);
    branch = record_linear(branch, first + kAttentionOut, channels, channels);
    branch = record_dropout(branch, site + 1);
    std::tie(x, normal) = record_residual_norm(x, branch, first + kNorm2);
    branch = record_mlp(normal, first);
    branch = record_dropout(branch, site + 2);
    tape_.end_block();
  }
  ValueId normal = 0;
  std::tie(x, normal) =
      record_residual_norm(x, branch, kFirstLayer + config_.layers * kTensorsOfLayer);
  record_head(normal);
}

template <typename T>
ValueId GptOnGpu<T>::record_embedding() {
  const ValueId out = value(config_.channels);
  tape_.record(
      {.inputs = {},
       .outputs = {out},
       .kept = {},
       .parameters = {kTokenTable, kPositionTable},
       .forward =
           [=, this](Pass& pass) {
             embedding_forward(compute_, pass.shape, config_.channels, pass.tokens,
                               parameter(kTokenTable), parameter(kPositionTable), data(out));
           },
       .backward =
           [=, this](Pass& pass, const std::vector<bool>&) {
             embedding_backward(compute_, pass.shape, config_.channels, trained_->rows, slopes(out),
                                gradient(kTokenTable), gradient(kPositionTable));
           }});
  return out;
}

template <typename T>
ValueId GptOnGpu<T>::record_layer_norm(ValueId in, size_t gain) {
  const size_t columns = config_.channels;
  const ValueId out = value(columns);
  const ValueId mean = tape_.value(1);
  const ValueId scale = tape_.value(1);
  tape_.record({.inputs = {in},
                .outputs = {out},
                .kept = {in, mean, scale},
                .parameters = {gain, gain + 1},
                .forward =
                    [=, this](Pass& pass) {
                      layer_norm_forward<T>(compute_, {.input = data(in),
                                                       .gain = parameter(gain),
                                                       .bias = parameter(gain + 1),
                                                       .output = data(out),
                                                       .mean = tape_.data(mean),
                                                       .scale = tape_.data(scale),
                                                       .rows = pass.shape.rows(),
                                                       .columns = columns});
                    },
                .backward =
                    [=, this](Pass& pass, const std::vector<bool>& accumulate) {
                      layer_norm_backward<T>(compute_, {.input = data(in),
                                                        .gain = parameter(gain),
                                                        .mean = tape_.data(mean),
                                                        .scale = tape_.data(scale),
                                                        .output_gradient = slopes(out),
                                                        .input_gradient = slopes(in),
                                                        .gain_gradient = gradient(gain),
                                                        .bias_gradient = gradient(gain + 1),
                                                        .rows = pass.shape.rows(),
                                                        .columns = columns,
                                                        .accumulate = accumulate[0]});
                    }});
  return out;
}

// The stream with the branch added, and its norm. All of a stream's values share one gradient,
// which is that of the branch, too.
template <typename T>
std::pair<ValueId, ValueId> GptOnGpu<T>::record_residual_norm(ValueId stream, ValueId branch,
                                                              size_t gain) {
  const size_t columns = config_.channels;
  const ValueId sum = value(columns);
  const ValueId out = value(columns);
  const ValueId mean = tape_.value(1);
  const ValueId scale = tape_.value(1);
  tape_.share_gradient(stream, sum);
  tape_.share_gradient(branch, sum);
  tape_.record({.inputs = {stream, branch},
                .outputs = {sum, out},
                .kept = {sum, mean, scale},
                .parameters = {gain, gain + 1},
                .forward =
                    [=, this](Pass& pass) {
                      layer_norm_forward<T>(compute_, {.input = data(stream),
                                                       .branch = data(branch),
                                                       .sum = data(sum),
                                                       .gain = parameter(gain),
                                                       .bias = parameter(gain + 1),
                                                       .output = data(out),
                                                       .mean = tape_.data(mean),
                                                       .scale = tape_.data(scale),
                                                       .rows = pass.shape.rows(),
                                                       .columns = columns});
                    },
                .backward =
                    [=, this](Pass& pass, const std::vector<bool>& accumulate) {
                      layer_norm_backward<T>(compute_, {.input = data(sum),
                                                        .gain = parameter(gain),
                                                        .mean = tape_.data(mean),
                                                        .scale = tape_.data(scale),
                                                        .output_gradient = slopes(out),
                                                        .input_gradient = slopes(sum),
                                                        .gain_gradient = gradient(gain),
                                                        .bias_gradient = gradient(gain + 1),
                                                        .rows = pass.shape.rows(),
                                                        .columns = columns,
                                                        .accumulate = accumulate[0]});
                    }});
  return {sum, out};
}

template <typename T>
ValueId GptOnGpu<T>::record_linear(ValueId in, size_t weight, size_t inputs, size_t outputs) {
  const ValueId out = value(outputs);
  const auto op = [=](const Pass& pass) { return Linear{pass.shape.rows(), inputs, outputs}; };
  tape_.record({.inputs = {in},
                .outputs = {out},
                .kept = {in},
                .parameters = {weight, weight + 1},
                .forward =
                    [=, this](Pass& pass) {
                      linear_forward<T>(compute_, op(pass), data(in), parameter(weight),
                                        parameter(weight + 1), data(out));
                    },
                .backward =
                    [=, this](Pass& pass, const std::vector<bool>& accumulate) {
                      CHECK(!accumulate[0]);
                      linear_backward<T>(compute_, op(pass), data(in), parameter(weight),
                                         slopes(out), slopes(in), gradient(weight),
                                         gradient(weight + 1));
                    }});
  return out;
}

template <typename T>
ValueId GptOnGpu<T>::record_attention(ValueId qkv, uint32_t site) {
  const ValueId out = value(config_.channels);
  const ValueId maximum = tape_.value(config_.heads);
  const ValueId inverse_sum = tape_.value(config_.heads);
  // With the mask of the pass, which must outlive what is called with it.
  const auto with_op = [=, this](const Pass& pass, const auto& call) {
    const bool drops = config_.dropout > 0 && pass.dropout;
    const DropoutMask mask =
        drops ? dropout_mask(*pass.dropout, site, config_.dropout) : DropoutMask{};
    call(Attention{config_.heads, config_.channels, drops ? &mask : nullptr},
         AttentionMemory<T>{tape_.data(maximum), tape_.data(inverse_sum),
                            attention_scratch_.as<void>()});
  };
  tape_.record({.inputs = {qkv},
                .outputs = {out},
                .kept = {qkv, out, maximum, inverse_sum},
                .parameters = {},
                .forward =
                    [=, this](Pass& pass) {
                      with_op(pass, [&](const Attention& op, const AttentionMemory<T>& memory) {
                        attention_forward<T>(compute_, pass.shape, op, data(qkv), data(out),
                                             memory);
                      });
                    },
                .backward =
                    [=, this](Pass& pass, const std::vector<bool>& accumulate) {
                      CHECK(!accumulate[0]);
                      with_op(pass, [&](const Attention& op, const AttentionMemory<T>& memory) {
                        attention_backward<T>(compute_, pass.shape, op, data(qkv), data(out),
                                              memory, slopes(out), slopes(qkv));
                      });
                    }});
  return out;
}

// Two linear layers with gelu between them: its slope is taken where the second one's input
// gradient is made.
template <typename T>
ValueId GptOnGpu<T>::record_mlp(ValueId in, size_t first) {
  const size_t channels = config_.channels;
  const size_t expand = first + kExpand;
  const size_t contract = first + kContract;
  const ValueId inner = value(4 * channels);
  const ValueId active = value(4 * channels);
  const ValueId out = value(channels);
  tape_.share_gradient(active, inner);
  const auto expansion = [=](const Pass& pass) {
    return Linear{pass.shape.rows(), channels, 4 * channels};
  };
  const auto contraction = [=](const Pass& pass) {
    return Linear{pass.shape.rows(), 4 * channels, channels};
  };
  tape_.record(
      {.inputs = {in},
       .outputs = {inner, active, out},
       .kept = {in, inner, active},
       .parameters = {expand, expand + 1, contract, contract + 1},
       .forward =
           [=, this](Pass& pass) {
             linear_gelu_forward<T>(compute_, config_.activation, expansion(pass), data(in),
                                    parameter(expand), parameter(expand + 1), data(inner),
                                    data(active));
             linear_forward<T>(compute_, contraction(pass), data(active), parameter(contract),
                               parameter(contract + 1), data(out));
           },
       .backward =
           [=, this](Pass& pass, const std::vector<bool>& accumulate) {
             CHECK(!accumulate[0]);
             linear_gelu_backward<T>(compute_, config_.activation, contraction(pass), data(inner),
                                     parameter(contract), slopes(out), slopes(inner));
             linear_parameters_backward<T>(compute_, contraction(pass), data(active), slopes(out),
                                           gradient(contract), gradient(contract + 1));
             linear_backward<T>(compute_, expansion(pass), data(in), parameter(expand),
                                slopes(inner), slopes(in), gradient(expand), gradient(expand + 1));
           }});
  return out;
}

template <typename T>
ValueId GptOnGpu<T>::record_dropout(ValueId in, uint32_t site) {
  if (config_.dropout == 0) return in;
  const size_t columns = config_.channels;
  const ValueId out = value(columns);
  const auto apply = [=, this](const Pass& pass, const T* from, T* to) {
    const size_t rows = pass.shape.rows();
    if (pass.dropout) {
      dropout_apply<T>(compute_, dropout_mask(*pass.dropout, site, config_.dropout), rows, columns,
                       from, to);
    } else {
      check(cudaMemcpyAsync(to, from, rows * columns * sizeof(T), cudaMemcpyDeviceToDevice,
                            compute_.stream),
            "dropout");
    }
  };
  // Not in place: the gradient of a branch is that of the stream, too.
  tape_.record({.inputs = {in},
                .outputs = {out},
                .kept = {},
                .parameters = {},
                .forward = [=, this](Pass& pass) { apply(pass, data(in), data(out)); },
                .backward =
                    [=, this](Pass& pass, const std::vector<bool>& accumulate) {
                      CHECK(!accumulate[0]);
                      apply(pass, slopes(out), slopes(in));
                    }});
  return out;
}

template <typename T>
void GptOnGpu<T>::record_head(ValueId in) {
  tape_.record({.inputs = {in},
                .outputs = {},
                .kept = {in},
                .parameters = {kTokenTable},
                .forward =
                    [=, this](Pass& pass) {
                      const bool trains = pass_->trains;
                      // The last pass's gradients may still be leaving.
                      if (trains) copies_.hold(stream_);
                      head<T>(compute_, head_of(config_, pass.shape.rows()), data(in),
                              parameter(kTokenTable), pass.targets, logits_.as<T>(),
                              row_loss_.as<double>(), loss_.as<double>(),
                              trains ? slopes(in) : nullptr, gradient(kTokenTable));
                    },
                .backward = [](Pass&, const std::vector<bool>&) {},
                .gradients_early = true});
}

template void GptOnGpu<float>::build();
template void GptOnGpu<bf16>::build();

}  // namespace ballast::cuda
