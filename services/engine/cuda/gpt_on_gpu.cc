#include "services/engine/cuda/gpt_on_gpu.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/check.h"

namespace ballast::cuda {
namespace {

constexpr size_t kWidestFusedHead = 128;

Layout layout_of(const GptConfig& config) {
  auto layout = gpt_layout(config);
  CHECK(layout.has_value());
  return std::move(*layout);
}

// Dense matrix products of the SXM parts, from NVIDIA's data sheets of A100 and H100 (H200 is the
// same processor).
double peak_of_device(bool bf16_products) {
  int major = 0;
  int minor = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0), "capability");
  check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0), "capability");
  if (major == 9 && minor == 0) return bf16_products ? 989e12 : 67e12;
  if (major == 8 && minor == 0) return bf16_products ? 312e12 : 19.5e12;
  return 0;
}

std::string describe(const MemoryBytes& plan) {
  return fmt::format("{} bytes of parameters, {} of gradients, {} of activations and {} of logits",
                     plan.parameters, plan.gradients, plan.activations, plan.logits);
}

uint64_t total(const MemoryBytes& plan) {
  return plan.parameters + plan.gradients + plan.activations + plan.logits;
}

// Tokens and targets of one pass and what the embedding's backward needs of them, in one block that
// is copied at once.
struct TokenBlock {
  static constexpr size_t kNumbersOfPiece = sizeof(TokenRows::Piece) / sizeof(uint32_t);
  static constexpr size_t kNumbersOfJoined = sizeof(TokenRows::Joined) / sizeof(uint32_t);
  static size_t numbers(size_t rows) { return rows * (3 + kNumbersOfPiece + kNumbersOfJoined); }

  explicit TokenBlock(uint32_t* block, size_t count)
      : tokens(block),
        targets(tokens + count),
        rows(targets + count),
        pieces(reinterpret_cast<TokenRows::Piece*>(rows + count)),
        joined(reinterpret_cast<TokenRows::Joined*>(pieces + count)) {}
  uint32_t* tokens;
  uint32_t* targets;
  uint32_t* rows;
  TokenRows::Piece* pieces;  // at most one a row
  TokenRows::Joined* joined;
};

}  // namespace

template <typename T>
GptOnGpu<T>::GptOnGpu(const GptConfig& config, uint32_t sequences)
    : config_(config),
      sequences_(sequences),
      tape_(layout_of(config)),
      arena_(layout(), head_of(config, 1).padded * config.channels) {
  const size_t rows = size_t{sequences} * config.context;
  const bool may_fuse =
      kRounds && config.dropout == 0 && config.channels / config.heads <= kWidestFusedHead;
  if (may_fuse) {
    attention_ = std::make_unique<FusedAttention>();
    const AttentionShape shape{.sequences = sequences,
                               .length = config.context,
                               .heads = config.heads,
                               .channels = config.channels};
    if (!attention_->prepare(shape)) attention_.reset();
  }
  peak_flop_per_second_ = peak_of_device(kRounds);
  build();
  plan(rows, tape_.plan(rows));
  try {
    allocate();
  } catch (const DeviceError& error) {
    // What is more than there is will never fit; otherwise others hold the memory now.
    size_t free = 0;
    size_t all = 0;
    check(cudaMemGetInfo(&free, &all), "cudaMemGetInfo");
    const bool never = error.kind() == DeviceError::Kind::kOutOfMemory && total(plan_) > all;
    throw DeviceError(never ? DeviceError::Kind::kUnsupported : error.kind(),
                      fmt::format("{}; the memory plan is {}", error.what(), describe(plan_)));
  }
  compute_ = {.stream = stream_.get(),
              .products = &products_,
              .attention = attention_.get(),
              .scratch = scratch_.as<float>()};
}

template <typename T>
void GptOnGpu<T>::plan(size_t rows, uint64_t activation_elements) {
  const PaddedHead head = head_of(config_, rows);
  sizes_ = {.activations = activation_elements * sizeof(float),
            .scratch = scratch_elements(rows, config_.channels) * sizeof(float),
            .attention = attention_ == nullptr
                             ? attention_scratch_bytes<T>(config_.heads, config_.context)
                             : 0,
            .tokens = TokenBlock::numbers(rows) * sizeof(uint32_t),
            .logits = head_rows_at_once(head) * head.padded * sizeof(T),
            .row_loss = rows * sizeof(double)};
  plan_ = {.parameters = arena_.elements() * sizeof(T),
           .gradients = arena_.elements() * sizeof(float),
           .activations = sizes_.activations + sizes_.scratch + sizes_.attention + sizes_.tokens,
           .logits = sizes_.logits + sizes_.row_loss};
}

template <typename T>
void GptOnGpu<T>::allocate() {
  parameters_ = DeviceMemory(plan_.parameters);
  gradients_ = DeviceMemory(plan_.gradients);
  activations_ = DeviceMemory(sizes_.activations);
  tape_.use(activations_.as<float>());
  scratch_ = DeviceMemory(sizes_.scratch);
  attention_scratch_ = DeviceMemory(sizes_.attention);
  token_memory_ = DeviceMemory(sizes_.tokens);
  logits_ = DeviceMemory(sizes_.logits);
  row_loss_ = DeviceMemory(sizes_.row_loss);
  loss_ = DeviceMemory(sizeof(double));
  host_tokens_ = PinnedMemory(sizes_.tokens);
  host_loss_ = PinnedMemory(sizeof(double));
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");  // memory is zero now
}

template <typename T>
template <typename Call>
Result<void> GptOnGpu<T>::guarded(const Call& call) const {
  try {
    return call();
  } catch (const DeviceError& error) {
    return fail(ErrorCode::kUnavailable, fmt::format("the GPU failed: {}", error.what()));
  }
}

template <typename T>
Result<void> GptOnGpu<T>::check_input(const ModelInput& input) const {
  CHECK(input.parameters.size() == layout().elements);
  const size_t most = size_t{sequences_} * config_.context;
  const size_t count = input.tokens.size();
  if (count == 0 || count > most || count % config_.context != 0 || input.targets.size() != count) {
    return fail(ErrorCode::kInvalid,
                fmt::format("{} tokens and {} targets, expected 1 to {} windows of {} of both",
                            count, input.targets.size(), sequences_, config_.context));
  }
  for (size_t i = 0; i < count; ++i) {
    if (input.tokens[i] >= config_.vocabulary) {
      return fail(ErrorCode::kInvalid, fmt::format("token number {} is {}, the vocabulary has {}",
                                                   i, input.tokens[i], config_.vocabulary));
    }
    if (input.targets[i] >= config_.vocabulary && input.targets[i] != kMaskedTarget) {
      return fail(ErrorCode::kInvalid, fmt::format("target number {} is {}, the vocabulary has {}",
                                                   i, input.targets[i], config_.vocabulary));
    }
  }
  return {};
}

// The host's block may be written: the copy of the pass before was done before its loss.
template <typename T>
void GptOnGpu<T>::copy_tokens(const ModelInput& input) {
  const size_t count = input.tokens.size();
  const TokenRows rows = token_rows(input.tokens.data(), count, config_.vocabulary);
  const TokenBlock host(host_tokens_.as<uint32_t>(), count);
  const TokenBlock device(token_memory_.as<uint32_t>(), count);
  std::copy(input.tokens.begin(), input.tokens.end(), host.tokens);
  std::copy(input.targets.begin(), input.targets.end(), host.targets);
  std::copy(rows.rows.begin(), rows.rows.end(), host.rows);
  std::copy(rows.pieces.begin(), rows.pieces.end(), host.pieces);
  std::copy(rows.joined.begin(), rows.joined.end(), host.joined);
  check(cudaMemcpyAsync(token_memory_.as<void>(), host_tokens_.as<void>(),
                        TokenBlock::numbers(count) * sizeof(uint32_t), cudaMemcpyHostToDevice,
                        compute_.stream),
        "copy of tokens");
  pass_->pass.tokens = device.tokens;
  pass_->pass.targets = device.targets;
  pass_->rows = {.rows = device.rows,
                 .pieces = device.pieces,
                 .joined = device.joined,
                 .piece_count = rows.pieces.size(),
                 .joined_count = rows.joined.size()};
}

template <typename T>
bool GptOnGpu<T>::brought(uint64_t begin) const {
  return std::any_of(brought_.begin(), brought_.end(), [&](const auto& range) {
    return range.first <= begin && begin < range.second;
  });
}

// Asks for the range, then puts its way to the device before whatever follows in the stream.
template <typename T>
bool GptOnGpu<T>::bring(const ModelInput& input, uint64_t begin, uint64_t end) {
  if (input.need && !input.need(begin, end)) return false;
  if (brought(begin)) return true;
  arena_.for_parts(begin, end, [&](uint64_t first, uint64_t count, uint64_t on_device) {
    // bf16 is made on the device, from fp32 that lies where gradients will.
    float* to = (kRounds ? gradients_ : parameters_).template as<float>() + on_device;
    check(cudaMemcpyAsync(to, input.parameters.data() + first, count * sizeof(float),
                          cudaMemcpyHostToDevice, incoming_.get()),
          "copy of parameters");
  });
  arrived_.record(incoming_);
  arrived_.hold(stream_);
  if (kRounds) {
    arena_.for_parts(begin, end, [&](uint64_t, uint64_t count, uint64_t on_device) {
      convert(compute_, count, gradients_.as<float>() + on_device, parameters_.as<T>() + on_device);
    });
  }
  brought_.emplace_back(begin, end);
  return true;
}

template <typename T>
Result<void> GptOnGpu<T>::begin(const ModelInput& input) {
  pass_.reset();
  if (auto checked = check_input(input); !checked) return checked;
  return guarded([&]() -> Result<void> {
    pass_.emplace();
    pass_->trains = input.trains;
    pass_->pass.shape = {input.tokens.size() / config_.context, config_.context};
    pass_->pass.dropout = input.dropout;
    const auto masked = std::count(input.targets.begin(), input.targets.end(), kMaskedTarget);
    pass_->targets = input.targets.size() - static_cast<size_t>(masked);
    pass_->times = passes_++ % 2;
    times_[pass_->times].began.record(stream_);
    copy_tokens(input);
    if (version_ != input.version) {
      version_ = input.version;
      brought_.clear();
      host_parameters_.use(input.parameters.data(), input.parameters.size_bytes());
      // Everything that reads or leaves what they replace comes first.
      copies_.hold(stream_);
      free_for_parameters_.record(stream_);
      free_for_parameters_.hold(incoming_);
    }
    const bool whole = tape_.forward(
        pass_->pass, [&](uint64_t begin, uint64_t end) { return bring(input, begin, end); });
    if (!whole) {
      incoming_.wait();
      stream_.wait();
      pass_.reset();
      return fail(ErrorCode::kGone, "the parameters are not needed any more");
    }
    check(cudaMemcpyAsync(host_loss_.as<void>(), loss_.as<void>(), sizeof(double),
                          cudaMemcpyDeviceToHost, compute_.stream),
          "copy of the loss");
    forward_done_.record(stream_);
    if (!input.trains) times_[pass_->times].ended.record(stream_);
    return {};
  });
}

template <typename T>
Result<LossSum> GptOnGpu<T>::loss() {
  CHECK(pass_.has_value());
  const auto waited = guarded([&]() -> Result<void> {
    forward_done_.wait();
    if (!pass_->trains) spent(times_[pass_->times]);
    return {};
  });
  if (!waited) return tl::unexpected(waited.error());
  return LossSum{*host_loss_.as<double>(), pass_->targets};
}

template <typename T>
Result<void> GptOnGpu<T>::backward(std::span<float> gradients, const RangeFunction& final,
                                   const std::function<void()>& meanwhile) {
  CHECK(pass_.has_value() && pass_->trains && gradients.size() == layout().elements);
  return guarded([&]() -> Result<void> {
    trained_ = std::exchange(pass_, std::nullopt);
    flop_ += flop_per_token(config_) * static_cast<double>(trained_->pass.shape.rows());
    tape_.backward(trained_->pass, [&](uint64_t begin, uint64_t end) {
      copies_.begin(stream_, gradients_.as<float>(), gradients, begin, end);
    });
    const Times& times = times_[trained_->times];
    times_[trained_->times].ended.record(stream_);
    trained_.reset();
    if (meanwhile) meanwhile();
    copies_.finish(final);
    spent(times);
    return {};
  });
}

template <typename T>
void GptOnGpu<T>::spent(const Times& times) {
  times.ended.wait();
  busy_seconds_ += Event::seconds_between(times.began, times.ended);
}

template <typename T>
DeviceStatistics GptOnGpu<T>::device() const {
  size_t free = 0;
  size_t total = 0;
  DeviceStatistics out;
  if (cudaMemGetInfo(&free, &total) == cudaSuccess) {
    out.memory_bytes = total - free;
    out.memory_limit_bytes = total;
  }
  out.busy_seconds = busy_seconds_;
  out.peak_flop_per_second = peak_flop_per_second_;
  out.copy_seconds = copies_.seconds();
  out.flop = flop_;
  return out;
}

template <typename T>
std::map<std::string, double> GptOnGpu<T>::profile() {
  if (profile_ == nullptr) {
    profile_ = std::make_unique<Profile>();
    compute_.profile = profile_.get();
  }
  return profile_->take();
}

template class GptOnGpu<float>;
template class GptOnGpu<bf16>;

}  // namespace ballast::cuda
