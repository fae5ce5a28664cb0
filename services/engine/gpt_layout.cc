// Which tensors a GPT has, and what they hold at first.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <xxhash.h>

#include "common/check.h"
#include "services/engine/gpt.h"
#include "services/engine/random.h"

namespace ballast {
namespace {

Tensor tensor(std::string name, std::vector<uint64_t> shape) {
  const auto group = shape.size() > 1 ? ParameterGroup::kDecay : ParameterGroup::kNoDecay;
  return {.name = std::move(name), .shape = std::move(shape), .group = group};
}

void add_block(std::vector<Tensor>& tensors, uint32_t layer, uint64_t channels) {
  const std::string prefix = fmt::format("h.{}.", layer);
  const auto add_norm = [&](const char* name) {
    tensors.push_back(tensor(prefix + name + ".weight", {channels}));
    tensors.push_back(tensor(prefix + name + ".bias", {channels}));
  };
  const auto add_linear = [&](const char* name, uint64_t inputs, uint64_t outputs) {
    tensors.push_back(tensor(prefix + name + ".weight", {inputs, outputs}));
    tensors.push_back(tensor(prefix + name + ".bias", {outputs}));
  };
  add_norm("ln_1");
  add_linear("attn.c_attn", channels, 3 * channels);
  add_linear("attn.c_proj", channels, channels);
  add_norm("ln_2");
  add_linear("mlp.c_fc", channels, 4 * channels);
  add_linear("mlp.c_proj", 4 * channels, channels);
}

Result<void> check_range(const char* field, uint64_t value, uint64_t most) {
  if (value < 1 || value > most) {
    return fail(ErrorCode::kInvalid,
                fmt::format("model.{} is {}, expected 1 to {}", field, value, most));
  }
  return {};
}

Result<void> check_config(const GptConfig& config) {
  const struct {
    const char* field;
    uint64_t value;
    uint64_t most;
  } rows[] = {{"layers", config.layers, 1000},
              {"heads", config.heads, 1024},
              {"embedding", config.channels, 1 << 20},
              {"context", config.context, 1 << 20},
              {"vocabulary", config.vocabulary, 1 << 24}};
  for (const auto& row : rows) {
    if (auto checked = check_range(row.field, row.value, row.most); !checked) {
      return checked;
    }
  }
  if (config.channels % config.heads != 0) {
    return fail(ErrorCode::kInvalid,
                fmt::format("model.embedding is {}, no multiple of model.heads {}", config.channels,
                            config.heads));
  }
  if (!(config.dropout >= 0 && config.dropout < 1)) {
    return fail(ErrorCode::kInvalid,
                fmt::format("model.dropout is {}, expected 0 to below 1", config.dropout));
  }
  return {};
}

bool ends_with(const std::string& name, std::string_view end) { return name.ends_with(end); }

// Deviation of a tensor's normal values; 0 where it is constant.
double deviation_of(const GptConfig& config, const Tensor& tensor) {
  if (tensor.shape.size() == 1) {
    return 0;
  }
  constexpr double kDeviation = 0.02;
  return ends_with(tensor.name, "c_proj.weight") ? kDeviation / std::sqrt(2.0 * config.layers)
                                                 : kDeviation;
}

float constant_of(const Tensor& tensor) {
  return tensor.name.find("ln_") != std::string::npos && ends_with(tensor.name, ".weight") ? 1.0F
                                                                                           : 0.0F;
}

// Elements [begin, end) of one tensor.
void fill_normal(uint64_t seed, uint64_t stream, double deviation, uint64_t begin, uint64_t end,
                 float* out) {
  for (uint64_t block = begin / 4; block * 4 < end; ++block) {
    const auto values = normal_block(seed, stream, block);
    const uint64_t last = std::min(end, block * 4 + 4);
    for (uint64_t i = std::max(begin, block * 4); i < last; ++i) {
      out[i - begin] = static_cast<float>(values[i % 4] * deviation);
    }
  }
}

}  // namespace

Result<Gelu> parse_activation(std::string_view name) {
  if (name.empty() || name == "geluTanh") return Gelu::kTanh;
  if (name == "gelu") return Gelu::kExact;
  return fail(ErrorCode::kInvalid,
              fmt::format("model.activation is '{}', expected geluTanh or gelu", name));
}

Result<Layout> gpt_layout(const GptConfig& config) {
  if (auto checked = check_config(config); !checked) {
    return tl::unexpected(checked.error());
  }
  std::vector<Tensor> tensors;
  tensors.push_back(tensor("wte.weight", {config.vocabulary, config.channels}));
  tensors.push_back(tensor("wpe.weight", {config.context, config.channels}));
  for (uint32_t layer = 0; layer < config.layers; ++layer) {
    add_block(tensors, layer, config.channels);
  }
  tensors.push_back(tensor("ln_f.weight", {config.channels}));
  tensors.push_back(tensor("ln_f.bias", {config.channels}));
  return make_layout(std::move(tensors));
}

void gpt_initial_values(const GptConfig& config, const Layout& layout, uint64_t seed,
                        uint64_t begin, std::span<float> out) {
  const uint64_t end = begin + out.size();
  CHECK(end <= layout.elements);
  std::fill(out.begin(), out.end(), 0.0F);
  for (const Tensor& tensor : layout.tensors) {
    const uint64_t first = std::max(begin, tensor.offset);
    const uint64_t last = std::min(end, tensor.offset + tensor.elements);
    if (first >= last) {
      continue;
    }
    const double deviation = deviation_of(config, tensor);
    if (deviation == 0) {
      std::fill(out.begin() + static_cast<ptrdiff_t>(first - begin),
                out.begin() + static_cast<ptrdiff_t>(last - begin), constant_of(tensor));
    } else {
      fill_normal(seed, XXH3_64bits(tensor.name.data(), tensor.name.size()), deviation,
                  first - tensor.offset, last - tensor.offset, out.data() + (first - begin));
    }
  }
}

}  // namespace ballast
