// The operations and the GPT written as plainly as possible in fp64, forward only: the yardstick
// for the engine's forward, and, by central differences, for its backward.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "services/engine/gpt.h"
#include "services/engine/random.h"

namespace ballast::reference {

using Numbers = std::vector<double>;

inline Numbers add(const Numbers& a, const Numbers& b) {
  Numbers out(a);
  for (size_t i = 0; i < a.size(); ++i) {
    out[i] += b[i];
  }
  return out;
}

inline Numbers embedding(const std::vector<uint32_t>& tokens, size_t length, size_t channels,
                         const Numbers& token_table, const Numbers& position_table) {
  Numbers out(tokens.size() * channels);
  for (size_t r = 0; r < tokens.size(); ++r) {
    for (size_t c = 0; c < channels; ++c) {
      out[r * channels + c] =
          token_table[tokens[r] * channels + c] + position_table[r % length * channels + c];
    }
  }
  return out;
}

inline Numbers layer_norm(const Numbers& in, const Numbers& gain, const Numbers& bias) {
  const size_t columns = gain.size();
  Numbers out(in.size());
  for (size_t first = 0; first < in.size(); first += columns) {
    double mean = 0;
    for (size_t c = 0; c < columns; ++c) {
      mean += in[first + c] / static_cast<double>(columns);
    }
    double variance = 0;
    for (size_t c = 0; c < columns; ++c) {
      variance += std::pow(in[first + c] - mean, 2) / static_cast<double>(columns);
    }
    for (size_t c = 0; c < columns; ++c) {
      out[first + c] = (in[first + c] - mean) / std::sqrt(variance + 1e-5) * gain[c] + bias[c];
    }
  }
  return out;
}

inline Numbers linear(const Numbers& in, const Numbers& weight, const Numbers& bias) {
  const size_t outputs = bias.size();
  const size_t inputs = weight.size() / outputs;
  const size_t rows = in.size() / inputs;
  Numbers out(rows * outputs);
  for (size_t r = 0; r < rows; ++r) {
    for (size_t o = 0; o < outputs; ++o) {
      double total = bias[o];
      for (size_t i = 0; i < inputs; ++i) {
        total += in[r * inputs + i] * weight[i * outputs + o];
      }
      out[r * outputs + o] = total;
    }
  }
  return out;
}

inline double gelu(Gelu form, double x) {
  if (form == Gelu::kExact) return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

inline Numbers gelu(Gelu form, const Numbers& in) {
  Numbers out(in);
  for (double& x : out) {
    x = gelu(form, x);
  }
  return out;
}

inline double dropout_factor(const DropoutMask& mask, size_t row, size_t column) {
  const size_t within = column % 64;
  const auto counter = static_cast<uint32_t>(column / 64 * 8 + column % 16 / 2);
  const PhiloxCounter words = philox({counter, static_cast<uint32_t>(row), mask.site, mask.nonce},
                                     {mask.key[0], mask.key[1]});
  const uint32_t word = words[column % 2 + (within >= 32 ? 2 : 0)];
  const uint32_t draw = within / 16 % 2 == 0 ? word & 0xffff : word >> 16;
  return draw < mask.threshold ? 0.0 : double{mask.scale};
}

// [rows, columns]; without a mask nothing is dropped.
inline Numbers dropout(const Numbers& in, size_t columns, const std::optional<DropoutMask>& mask) {
  Numbers out(in);
  for (size_t i = 0; mask && i < out.size(); ++i) {
    out[i] *= dropout_factor(*mask, i / columns, i % columns);
  }
  return out;
}

inline Numbers attention(const Numbers& qkv, size_t length, size_t heads, size_t channels,
                         const std::optional<DropoutMask>& mask = std::nullopt) {
  const size_t rows = qkv.size() / (3 * channels);
  const size_t size = channels / heads;
  Numbers out(rows * channels, 0.0);
  for (size_t r = 0; r < rows; ++r) {
    const size_t first = r / length * length;
    for (size_t h = 0; h < heads; ++h) {
      Numbers weights;
      double total = 0;
      for (size_t k = first; k <= r; ++k) {
        double dot = 0;
        for (size_t c = 0; c < size; ++c) {
          dot += qkv[r * 3 * channels + h * size + c] *
                 qkv[k * 3 * channels + channels + h * size + c];
        }
        weights.push_back(std::exp(dot / std::sqrt(static_cast<double>(size))));
        total += weights.back();
      }
      const size_t mask_row = (r / length * heads + h) * length + r % length;
      for (size_t k = first; k <= r; ++k) {
        weights[k - first] *= mask ? dropout_factor(*mask, mask_row, k - first) : 1.0;
        for (size_t c = 0; c < size; ++c) {
          out[r * channels + h * size + c] +=
              weights[k - first] / total * qkv[k * 3 * channels + 2 * channels + h * size + c];
        }
      }
    }
  }
  return out;
}

inline Numbers logits(const Numbers& in, const Numbers& table, size_t channels) {
  const size_t vocabulary = table.size() / channels;
  Numbers out;
  for (size_t r = 0; r < in.size() / channels; ++r) {
    for (size_t v = 0; v < vocabulary; ++v) {
      double dot = 0;
      for (size_t c = 0; c < channels; ++c) {
        dot += in[r * channels + c] * table[v * channels + c];
      }
      out.push_back(dot);
    }
  }
  return out;
}

inline double head_loss(const Numbers& in, const Numbers& table, size_t channels,
                        const std::vector<uint32_t>& targets) {
  const Numbers all = logits(in, table, channels);
  const size_t vocabulary = table.size() / channels;
  double loss = 0;
  for (size_t r = 0; r < targets.size(); ++r) {
    if (targets[r] == kMaskedTarget) {
      continue;
    }
    double total = 0;
    for (size_t v = 0; v < vocabulary; ++v) {
      total += std::exp(all[r * vocabulary + v]);
    }
    loss += std::log(total) - all[r * vocabulary + targets[r]];
  }
  return loss;
}

// The stream that leaves the last norm, [rows, channels].
inline Numbers gpt_body(const GptConfig& config, const Layout& layout, const Numbers& parameters,
                        const std::vector<uint32_t>& tokens, size_t length,
                        const std::optional<DropoutKey>& key = std::nullopt) {
  const size_t channels = config.channels;
  uint32_t site = 0;  // in the order in which they are met
  const auto next_mask = [&]() -> std::optional<DropoutMask> {
    if (!key) return std::nullopt;
    return dropout_mask(*key, site++, config.dropout);
  };
  size_t next = 0;
  const auto take = [&] {
    const Tensor& tensor = layout.tensors[next++];
    const auto begin = parameters.begin() + static_cast<ptrdiff_t>(tensor.offset);
    return Numbers(begin, begin + static_cast<ptrdiff_t>(tensor.elements));
  };
  const auto norm = [&](const Numbers& in) {
    const Numbers gain = take();
    return layer_norm(in, gain, take());
  };
  const auto project = [&](const Numbers& in) {
    const Numbers weight = take();
    return linear(in, weight, take());
  };
  const Numbers token_table = take();
  Numbers x = embedding(tokens, length, channels, token_table, take());
  x = dropout(x, channels, next_mask());
  for (uint32_t layer = 0; layer < config.layers; ++layer) {
    const Numbers mixed = attention(project(norm(x)), length, config.heads, channels, next_mask());
    x = add(x, dropout(project(mixed), channels, next_mask()));
    const Numbers wide = gelu(config.activation, project(norm(x)));
    x = add(x, dropout(project(wide), channels, next_mask()));
  }
  return norm(x);
}

inline double gpt_loss(const GptConfig& config, const Layout& layout, const Numbers& parameters,
                       const std::vector<uint32_t>& tokens, const std::vector<uint32_t>& targets,
                       const std::optional<DropoutKey>& key = std::nullopt) {
  const Numbers table(parameters.begin(),
                      parameters.begin() + static_cast<ptrdiff_t>(layout.tensors[0].elements));
  return head_loss(gpt_body(config, layout, parameters, tokens, config.context, key), table,
                   config.channels, targets);
}

// The derivative of f by at[i].
inline double slope(const std::function<double(const Numbers&)>& f, Numbers at, size_t i,
                    double step = 1e-5) {
  const double middle = at[i];
  at[i] = middle + step;
  const double above = f(at);
  at[i] = middle - step;
  return (above - f(at)) / (2 * step);
}

inline std::vector<float> normal_floats(size_t count, uint64_t stream, double deviation = 1) {
  std::vector<float> out(count);
  for (size_t i = 0; i < count; ++i) {
    out[i] = static_cast<float>(normal_block(77, stream, i / 4)[i % 4] * deviation);
  }
  return out;
}

inline std::vector<uint32_t> some_tokens(size_t count, uint32_t vocabulary, uint64_t stream) {
  std::vector<uint32_t> out(count);
  for (size_t i = 0; i < count; ++i) {
    out[i] = philox({static_cast<uint32_t>(i), 0, 0, 0}, {static_cast<uint32_t>(stream), 9})[0] %
             vocabulary;
  }
  return out;
}

inline Numbers widen(const std::vector<float>& in) { return {in.begin(), in.end()}; }

}  // namespace ballast::reference
