// Causal attention. Without dropout in bf16 it is cuDNN's; otherwise the scores of one sequence
// exist at a time, as products for all its heads and a softmax over each row.
#include <cmath>

#include "services/engine/cuda/dropout.cuh"
#include "services/engine/cuda/fused_attention.h"
#include "services/engine/cuda/matrix_products.h"
#include "services/engine/cuda/operations.h"
#include "services/engine/cuda/pack.cuh"
#include "services/engine/cuda/profile.h"

namespace ballast::cuda {
namespace {

constexpr int kThreads = 256;

enum class Reduction { kSum, kMaximum };

// Over the block, in an order that only its size fixes. NaN stays NaN in sums.
template <Reduction kKind>
__device__ float over_block(float value) {
  __shared__ float parts[kThreads / kWarp];
  const auto join = [](float a, float b) { return kKind == Reduction::kSum ? a + b : fmaxf(a, b); };
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    value = join(value, __shfl_xor_sync(kAllLanes, value, distance));
  }
  __syncthreads();  // the parts of the call before have been read
  if (threadIdx.x % kWarp == 0) parts[threadIdx.x / kWarp] = value;
  __syncthreads();
  float result = parts[0];
#pragma unroll
  for (int i = 1; i < kThreads / kWarp; ++i) result = join(result, parts[i]);
  return result;
}

struct Scores {
  const float* scores = nullptr;  // [heads, length, length] of one sequence
  size_t length = 0;
  float factor = 0;
  size_t sequence = 0;
  size_t heads = 0;
  bool drops = false;
  DropoutMask mask;

  // Of the block's row, in the mask.
  __device__ uint32_t mask_row(size_t head, size_t query) const {
    return static_cast<uint32_t>((sequence * heads + head) * length + query);
  }
};

// One block a row, of head blockIdx.y and query blockIdx.x. The maxima and inverse sums are
// [heads, rows of all sequences].
template <typename T>
__global__ void softmax_rows(Scores op, size_t rows, T* weights, float* maxima,
                             float* inverse_sums) {
  const size_t query = blockIdx.x;
  const size_t head = blockIdx.y;
  const size_t first = (head * op.length + query) * op.length;
  const float* row = op.scores + first;
  float largest = -INFINITY;
  for (size_t key = threadIdx.x; key <= query; key += kThreads) {
    largest = fmaxf(largest, row[key] * op.factor);
  }
  largest = over_block<Reduction::kMaximum>(largest);
  float total = 0;
  for (size_t key = threadIdx.x; key <= query; key += kThreads) {
    total += exponential<T>(row[key] * op.factor - largest);
  }
  const float inverse = 1.0F / over_block<Reduction::kSum>(total);
  for (size_t key = threadIdx.x; key < op.length; key += kThreads) {
    float weight = 0;
    if (key <= query) {
      weight = exponential<T>(row[key] * op.factor - largest) * inverse;
      if (op.drops) {
        weight *= dropout_factor(op.mask, op.mask_row(head, query), static_cast<uint32_t>(key));
      }
    }
    weights[first + key] = from_float<T>(weight);
  }
  if (threadIdx.x == 0) {
    const size_t at = head * rows + op.sequence * op.length + query;
    maxima[at] = largest;
    inverse_sums[at] = inverse;
  }
}

// weights become those that forward used (after dropout), and slopes the gradient of the scores:
// with p the weights before dropout and dp the gradient of p, ds = p (dp - sum of p dp) * factor,
// where the sum is that of out and its gradient over the head's channels.
template <typename T>
__global__ void softmax_backward_rows(Scores op, size_t rows, size_t channels, const float* maxima,
                                      const float* inverse_sums, const float* weight_gradients,
                                      const T* out, const T* out_gradient, T* weights, T* slopes) {
  const size_t query = blockIdx.x;
  const size_t head = blockIdx.y;
  const size_t width = channels / op.heads;
  const size_t first = (head * op.length + query) * op.length;
  const size_t of_head = (op.sequence * op.length + query) * channels + head * width;
  float dot = 0;
  for (size_t c = threadIdx.x; c < width; c += kThreads) {
    dot += to_float(out[of_head + c]) * to_float(out_gradient[of_head + c]);
  }
  dot = over_block<Reduction::kSum>(dot);
  const size_t at = head * rows + op.sequence * op.length + query;
  const float largest = maxima[at];
  const float inverse = inverse_sums[at];
  for (size_t key = threadIdx.x; key < op.length; key += kThreads) {
    float weight = 0;
    float slope = 0;
    if (key <= query) {
      const float p = exponential<T>(op.scores[first + key] * op.factor - largest) * inverse;
      const float kept =
          op.drops ? dropout_factor(op.mask, op.mask_row(head, query), static_cast<uint32_t>(key))
                   : 1.0F;
      weight = p * kept;
      slope = p * (weight_gradients[first + key] * kept - dot) * op.factor;
    }
    weights[first + key] = from_float<T>(weight);
    slopes[first + key] = from_float<T>(slope);
  }
}

// The parts of the scratch: for one sequence, [heads, length, length] each.
template <typename T>
struct Scratch {
  Scratch(void* memory, size_t heads, size_t length) {
    const size_t elements = heads * length * length;
    scores = static_cast<float*>(memory);
    weight_gradients = scores + elements;
    weights = reinterpret_cast<T*>(weight_gradients + elements);
    slopes = weights + elements;
  }
  float* scores;
  float* weight_gradients;
  T* weights;
  T* slopes;
};

// The products of one sequence's heads, between matrices [length, width] within rows of the model
// and matrices [length, length].
template <typename T>
class HeadProducts {
 public:
  HeadProducts(const Compute& compute, const BatchShape& shape, const Attention& op)
      : compute_(compute),
        length_(shape.length),
        heads_(op.heads),
        width_(op.channels / op.heads) {}

  struct Rows {  // of one sequence
    T* data = nullptr;
    size_t stride = 0;
  };

  // square [heads, length, length] = a b^T
  void outer(const Rows& a, const Rows& b, float* square) const {
    Product p = product(ElementType::kFp32);
    p.transpose_b = true;
    p.m = p.n = length_;
    p.k = width_;
    p.a = a.data;
    p.a_stride = a.stride;
    p.a_distance = width_;
    p.b = b.data;
    p.b_stride = b.stride;
    p.b_distance = width_;
    p.c = square;
    p.c_stride = length_;
    p.c_distance = length_ * length_;
    multiply(compute_, p);
  }
  // out = square b, or its transpose times b
  void apply(const T* square, bool transposed, const Rows& b, const Rows& out) const {
    Product p = product(kElementType<T>);
    p.transpose_a = transposed;
    p.m = p.k = length_;
    p.n = width_;
    p.a = square;
    p.a_stride = length_;
    p.a_distance = length_ * length_;
    p.b = b.data;
    p.b_stride = b.stride;
    p.b_distance = width_;
    p.c = out.data;
    p.c_stride = out.stride;
    p.c_distance = width_;
    multiply(compute_, p);
  }

 private:
  Product product(ElementType result) const {
    Product p;
    p.elements = kElementType<T>;
    p.result = result;
    p.count = heads_;
    return p;
  }

  const Compute& compute_;
  size_t length_;
  size_t heads_;
  size_t width_;
};

Scores scores_of(const BatchShape& shape, const Attention& op, size_t sequence,
                 const float* scores) {
  Scores out;
  out.scores = scores;
  out.length = shape.length;
  out.factor = 1.0F / std::sqrt(static_cast<float>(op.channels / op.heads));
  out.sequence = sequence;
  out.heads = op.heads;
  out.drops = op.dropout != nullptr;
  if (out.drops) out.mask = *op.dropout;
  return out;
}

bool fused(const Compute& compute, const Attention& op) {
  return compute.attention != nullptr && op.dropout == nullptr;
}

AttentionShape fused_shape(const BatchShape& shape, const Attention& op) {
  return {.sequences = shape.sequences,
          .length = shape.length,
          .heads = op.heads,
          .channels = op.channels};
}

dim3 row_grid(const BatchShape& shape, const Attention& op) {
  return dim3(static_cast<unsigned>(shape.length), static_cast<unsigned>(op.heads));
}

}  // namespace

template <typename T>
uint64_t attention_scratch_bytes(size_t heads, size_t length) {
  return uint64_t{heads} * length * length * 2 * (sizeof(float) + sizeof(T));
}

template <typename T>
void attention_forward(const Compute& compute, const BatchShape& shape, const Attention& op,
                       const T* qkv, T* out, const AttentionMemory<T>& memory) {
  if (fused(compute, op)) {
    const Timed timed(compute.profile, "attention", compute.stream);
    compute.attention->forward(compute.stream, fused_shape(shape, op), qkv, out,
                               memory.row_maximum);
    return;
  }
  const HeadProducts<T> products(compute, shape, op);
  const Scratch<T> scratch(memory.scratch, op.heads, shape.length);
  const size_t c = op.channels;
  for (size_t s = 0; s < shape.sequences; ++s) {
    T* rows = const_cast<T*>(qkv) + s * shape.length * 3 * c;
    products.outer({rows, 3 * c}, {rows + c, 3 * c}, scratch.scores);
    {
      const Timed timed(compute.profile, "attention", compute.stream);
      softmax_rows<<<row_grid(shape, op), kThreads, 0, compute.stream>>>(
          scores_of(shape, op, s, scratch.scores), shape.rows(), scratch.weights,
          memory.row_maximum, memory.inverse_sum);
      check_launch("attention_forward");
    }
    products.apply(scratch.weights, false, {rows + 2 * c, 3 * c}, {out + s * shape.length * c, c});
  }
}

template <typename T>
void attention_backward(const Compute& compute, const BatchShape& shape, const Attention& op,
                        const T* qkv, const T* out, const AttentionMemory<T>& memory,
                        const T* out_gradient, T* qkv_gradient) {
  if (fused(compute, op)) {
    const Timed timed(compute.profile, "attention", compute.stream);
    compute.attention->backward(compute.stream, fused_shape(shape, op), qkv, out,
                                memory.row_maximum, out_gradient, qkv_gradient);
    return;
  }
  const HeadProducts<T> products(compute, shape, op);
  const Scratch<T> scratch(memory.scratch, op.heads, shape.length);
  const size_t c = op.channels;
  for (size_t s = 0; s < shape.sequences; ++s) {
    T* rows = const_cast<T*>(qkv) + s * shape.length * 3 * c;
    T* slopes = qkv_gradient + s * shape.length * 3 * c;
    T* gradient = const_cast<T*>(out_gradient) + s * shape.length * c;
    products.outer({rows, 3 * c}, {rows + c, 3 * c}, scratch.scores);
    products.outer({gradient, c}, {rows + 2 * c, 3 * c}, scratch.weight_gradients);
    {
      const Timed timed(compute.profile, "attention", compute.stream);
      softmax_backward_rows<<<row_grid(shape, op), kThreads, 0, compute.stream>>>(
          scores_of(shape, op, s, scratch.scores), shape.rows(), c, memory.row_maximum,
          memory.inverse_sum, scratch.weight_gradients, out, out_gradient, scratch.weights,
          scratch.slopes);
      check_launch("attention_backward");
    }
    products.apply(scratch.slopes, false, {rows + c, 3 * c}, {slopes, 3 * c});
    products.apply(scratch.slopes, true, {rows, 3 * c}, {slopes + c, 3 * c});
    products.apply(scratch.weights, true, {gradient, c}, {slopes + 2 * c, 3 * c});
  }
}

#define BALLAST_ATTENTION(T)                                                                      \
  template uint64_t attention_scratch_bytes<T>(size_t, size_t);                                   \
  template void attention_forward(const Compute&, const BatchShape&, const Attention&, const T*,  \
                                  T*, const AttentionMemory<T>&);                                 \
  template void attention_backward(const Compute&, const BatchShape&, const Attention&, const T*, \
                                   const T*, const AttentionMemory<T>&, const T*, T*);
BALLAST_ATTENTION(float)
BALLAST_ATTENTION(bf16)
#undef BALLAST_ATTENTION

}  // namespace ballast::cuda
