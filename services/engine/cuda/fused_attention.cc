#include "services/engine/cuda/fused_attention.h"

#include <cudnn.h>
#include <cudnn_frontend.h>

#include <cmath>
#include <unordered_map>

#include <fmt/format.h>

#include "services/engine/cuda/matrix_products.h"

namespace ballast::cuda {
namespace {

namespace frontend = cudnn_frontend;
using frontend::graph::Graph;
using frontend::graph::Tensor_attributes;

// What the tensors of a graph are called in a call of it.
enum Name : int64_t {
  kQ = 1,
  kK,
  kV,
  kOut,
  kLogSums,
  kOutGradient,
  kQGradient,
  kKGradient,
  kVGradient
};

void check_dnn(cudnnStatus_t status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  throw DeviceError(DeviceError::Kind::kLost,
                    fmt::format("{}: {}", what, cudnnGetErrorString(status)));
}

void check_graph(frontend::error_t error, const char* what) {
  if (error.is_good()) return;
  throw DeviceError(DeviceError::Kind::kLost, fmt::format("{}: {}", what, error.get_message()));
}

struct Dimensions {
  explicit Dimensions(const AttentionShape& shape)
      : sequences(static_cast<int64_t>(shape.sequences)),
        length(static_cast<int64_t>(shape.length)),
        heads(static_cast<int64_t>(shape.heads)),
        channels(static_cast<int64_t>(shape.channels)),
        width(channels / heads) {}

  // [sequences, heads, length, width] of rows that are `row` elements long.
  Tensor_attributes tensor(Name name, int64_t row) const {
    return Tensor_attributes()
        .set_uid(name)
        .set_dim({sequences, heads, length, width})
        .set_stride({length * row, width, row, 1});
  }
  Tensor_attributes log_sums() const {
    return Tensor_attributes()
        .set_uid(kLogSums)
        .set_dim({sequences, heads, length, 1})
        .set_stride({heads * length, length, 1, 1})
        .set_data_type(frontend::DataType_t::FLOAT);
  }
  float factor() const { return 1.0F / std::sqrt(static_cast<float>(width)); }

  int64_t sequences;
  int64_t length;
  int64_t heads;
  int64_t channels;
  int64_t width;
};

std::shared_ptr<Graph> new_graph() {
  auto graph = std::make_shared<Graph>();
  graph->set_io_data_type(frontend::DataType_t::BFLOAT16)
      .set_intermediate_data_type(frontend::DataType_t::FLOAT)
      .set_compute_data_type(frontend::DataType_t::FLOAT);
  return graph;
}

std::shared_ptr<Graph> forward_graph(const Dimensions& d) {
  auto graph = new_graph();
  const auto q = graph->tensor(d.tensor(kQ, 3 * d.channels));
  const auto k = graph->tensor(d.tensor(kK, 3 * d.channels));
  const auto v = graph->tensor(d.tensor(kV, 3 * d.channels));
  auto [out, log_sums] = graph->sdpa(q, k, v,
                                     frontend::graph::SDPA_attributes()
                                         .set_name("attention")
                                         .set_generate_stats(true)
                                         .set_causal_mask(true)
                                         .set_attn_scale(d.factor()));
  out->set_output(true)
      .set_uid(kOut)
      .set_dim({d.sequences, d.heads, d.length, d.width})
      .set_stride({d.length * d.channels, d.width, d.channels, 1});
  log_sums->set_output(true).set_uid(kLogSums).set_data_type(frontend::DataType_t::FLOAT);
  return graph;
}

std::shared_ptr<Graph> backward_graph(const Dimensions& d) {
  auto graph = new_graph();
  const auto q = graph->tensor(d.tensor(kQ, 3 * d.channels));
  const auto k = graph->tensor(d.tensor(kK, 3 * d.channels));
  const auto v = graph->tensor(d.tensor(kV, 3 * d.channels));
  const auto out = graph->tensor(d.tensor(kOut, d.channels));
  const auto out_gradient = graph->tensor(d.tensor(kOutGradient, d.channels));
  const auto log_sums = graph->tensor(d.log_sums());
  auto [dq, dk, dv] = graph->sdpa_backward(q, k, v, out, out_gradient, log_sums,
                                           frontend::graph::SDPA_backward_attributes()
                                               .set_name("attention_backward")
                                               .set_causal_mask(true)
                                               .set_attn_scale(d.factor())
                                               .set_deterministic_algorithm(true));
  const auto shape_output = [&](Tensor_attributes& tensor, Name name) {
    tensor.set_output(true)
        .set_uid(name)
        .set_dim({d.sequences, d.heads, d.length, d.width})
        .set_stride({d.length * 3 * d.channels, d.width, 3 * d.channels, 1});
  };
  shape_output(*dq, kQGradient);
  shape_output(*dk, kKGradient);
  shape_output(*dv, kVGradient);
  return graph;
}

// The bytes of workspace; an error tells that the library cannot do it here.
frontend::error_t build(Graph& graph, cudnnHandle_t handle, int64_t& workspace_bytes) {
  if (auto error = graph.validate(); error.is_bad()) return error;
  if (auto error = graph.build_operation_graph(handle); error.is_bad()) return error;
  if (auto error = graph.create_execution_plans({frontend::HeurMode_t::A}); error.is_bad()) {
    return error;
  }
  if (auto error = graph.check_support(); error.is_bad()) return error;
  if (auto error = graph.build_plans(); error.is_bad()) return error;
  return graph.get_workspace_size(workspace_bytes);
}

}  // namespace

struct FusedAttention::Plan {
  std::shared_ptr<Graph> forward;
  std::shared_ptr<Graph> backward;
  std::string problem;  // why there is none
};

FusedAttention::FusedAttention() {
  cudnnHandle_t handle = nullptr;
  check_dnn(cudnnCreate(&handle), "cudnnCreate");
  handle_ = handle;
}

FusedAttention::~FusedAttention() {
  plans_.clear();
  (void)cudnnDestroy(static_cast<cudnnHandle_t>(handle_));
}

FusedAttention::Plan& FusedAttention::plan_of(const AttentionShape& shape) {
  auto& plan = plans_[shape];
  if (plan != nullptr) return *plan;
  plan = std::make_unique<Plan>();
  const Dimensions dimensions(shape);
  auto* handle = static_cast<cudnnHandle_t>(handle_);
  int64_t most = 0;
  for (const bool forward : {true, false}) {
    auto graph = forward ? forward_graph(dimensions) : backward_graph(dimensions);
    int64_t bytes = 0;
    if (auto error = build(*graph, handle, bytes); error.is_bad()) {
      plan->problem = error.get_message();
      return *plan;
    }
    most = std::max(most, bytes);
    (forward ? plan->forward : plan->backward) = std::move(graph);
  }
  if (static_cast<uint64_t>(most) > workspace_.bytes()) {
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");  // nothing uses the old one
    workspace_ = DeviceMemory(static_cast<uint64_t>(most));
  }
  return *plan;
}

bool FusedAttention::prepare(const AttentionShape& shape) {
  const Plan& plan = plan_of(shape);
  return plan.problem.empty();
}

void FusedAttention::forward(cudaStream_t stream, const AttentionShape& shape, const void* qkv,
                             void* out, float* log_sums) {
  Plan& plan = plan_of(shape);
  if (!plan.problem.empty()) throw DeviceError(DeviceError::Kind::kUnsupported, plan.problem);
  auto* handle = static_cast<cudnnHandle_t>(handle_);
  check_dnn(cudnnSetStream(handle, stream), "cudnnSetStream");
  auto* elements = static_cast<uint16_t*>(const_cast<void*>(qkv));
  std::unordered_map<int64_t, void*> tensors = {{kQ, elements},
                                                {kK, elements + shape.channels},
                                                {kV, elements + 2 * shape.channels},
                                                {kOut, out},
                                                {kLogSums, log_sums}};
  check_graph(plan.forward->execute(handle, tensors, workspace_.as<void>()), "attention");
}

void FusedAttention::backward(cudaStream_t stream, const AttentionShape& shape, const void* qkv,
                              const void* out, const float* log_sums, const void* out_gradient,
                              void* qkv_gradient) {
  Plan& plan = plan_of(shape);
  if (!plan.problem.empty()) throw DeviceError(DeviceError::Kind::kUnsupported, plan.problem);
  auto* handle = static_cast<cudnnHandle_t>(handle_);
  check_dnn(cudnnSetStream(handle, stream), "cudnnSetStream");
  auto* elements = static_cast<uint16_t*>(const_cast<void*>(qkv));
  auto* gradients = static_cast<uint16_t*>(qkv_gradient);
  std::unordered_map<int64_t, void*> tensors = {{kQ, elements},
                                                {kK, elements + shape.channels},
                                                {kV, elements + 2 * shape.channels},
                                                {kOut, const_cast<void*>(out)},
                                                {kLogSums, const_cast<float*>(log_sums)},
                                                {kOutGradient, const_cast<void*>(out_gradient)},
                                                {kQGradient, gradients},
                                                {kKGradient, gradients + shape.channels},
                                                {kVGradient, gradients + 2 * shape.channels}};
  check_graph(plan.backward->execute(handle, tensors, workspace_.as<void>()), "attention backward");
}

std::string FusedAttention::library() {
  const size_t version = cudnnGetVersion();
  return fmt::format("cuDNN {}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

}  // namespace ballast::cuda
