// Attention in blocks of queries and keys with an online softmax, so that scores never exist as a
// whole (Dao et al., FlashAttention, arXiv 2205.14135). One task is one head of one sequence.
#include <algorithm>
#include <cfloat>
#include <cmath>

#include "common/check.h"
#include "services/engine/gemm.h"
#include "services/engine/operations.h"

namespace ballast {
namespace {

constexpr size_t kBlock = kAttentionBlock;

// One head of one sequence: where its rows lie.
struct HeadView {
  size_t first_row = 0;
  size_t offset = 0;       // of the head's channels within a row of `out`
  size_t channels = 0;     // of this head
  size_t stride = 0;       // of `out`; qkv has three times that
  size_t statistics = 0;   // of the head's first row in row_maximum and inverse_sum
  size_t dropout_row = 0;  // of its first query
  const DropoutMask* dropout = nullptr;

  const float* query(const float* qkv, size_t row) const {
    return qkv + (first_row + row) * 3 * stride + offset;
  }
  float* query(float* qkv, size_t row) const {
    return qkv + (first_row + row) * 3 * stride + offset;
  }
  size_t out(size_t row) const { return (first_row + row) * stride + offset; }
};

HeadView view_of(const BatchShape& shape, const Attention& op, size_t task) {
  const size_t sequence = task / op.heads;
  const size_t head = task % op.heads;
  const size_t channels = op.channels / op.heads;
  return {.first_row = sequence * shape.length,
          .offset = head * channels,
          .channels = channels,
          .stride = op.channels,
          .statistics = head * shape.rows() + sequence * shape.length,
          .dropout_row = task * shape.length,
          .dropout = op.dropout};
}

struct Block {
  size_t begin = 0;
  size_t size = 0;
};

Block block_at(size_t begin, size_t length) { return {begin, std::min(kBlock, length - begin)}; }

float score_factor(const HeadView& view) {
  return 1.0F / std::sqrt(static_cast<float>(view.channels));
}

// scores [queries.size, keys.size] = a rows of `queries` * (b rows of `keys`)^T
void block_products(const Compute& compute, const HeadView& view, Block queries, Block keys,
                    const float* a, size_t a_stride, const float* b, float* scores) {
  gemm_on_this_thread(compute, {.transpose_b = true,
                                .m = queries.size,
                                .n = keys.size,
                                .k = view.channels,
                                .a = a,
                                .a_stride = a_stride,
                                .b = b,
                                .b_stride = 3 * view.stride,
                                .c = scores,
                                .c_stride = kBlock});
}

// Drops elements of a block of probabilities, or of what multiplies them, in place.
void drop(const Compute& compute, const HeadView& view, Block queries, Block keys, float* block) {
  static_assert(kBlock == kDropoutColumns);
  if (view.dropout == nullptr) return;
  compute.kernels->dropout(*view.dropout,
                           {.first_row = view.dropout_row + queries.begin,
                            .first_column = keys.begin,
                            .rows = queries.size,
                            .columns = keys.size,
                            .stride = kBlock},
                           block, block);
}

void forward_queries(const Compute& compute, const HeadView& view, Block queries, size_t length,
                     const float* qkv, float* out, float* row_maximum, float* inverse_sum) {
  alignas(64) float scores[kBlock * kBlock];
  alignas(64) float decay[kBlock];
  float* maximum = row_maximum + view.statistics + queries.begin;
  float* sums = inverse_sum + view.statistics + queries.begin;
  std::fill_n(maximum, queries.size, -FLT_MAX);
  std::fill_n(sums, queries.size, 0.0F);
  float* rows_out = out + view.out(queries.begin);
  for (size_t begin = 0; begin <= queries.begin; begin += kBlock) {
    const Block keys = block_at(begin, length);
    const float* key_rows = view.query(qkv, keys.begin) + view.stride;
    block_products(compute, view, queries, keys, view.query(qkv, queries.begin), 3 * view.stride,
                   key_rows, scores);
    compute.kernels->attention_block_forward({.scores = scores,
                                              .stride = kBlock,
                                              .rows = queries.size,
                                              .columns = keys.size,
                                              .visible = queries.begin - keys.begin + 1,
                                              .factor = score_factor(view)},
                                             maximum, sums, decay);
    drop(compute, view, queries, keys, scores);  // after the sums: those are of all
    if (begin > 0) {
      compute.kernels->scale_rows(rows_out, view.stride, queries.size, view.channels, decay);
    }
    gemm_on_this_thread(compute, {.m = queries.size,
                                  .n = view.channels,
                                  .k = keys.size,
                                  .a = scores,
                                  .a_stride = kBlock,
                                  .b = key_rows + view.stride,
                                  .b_stride = 3 * view.stride,
                                  .beta = begin > 0 ? 1.0F : 0.0F,
                                  .c = rows_out,
                                  .c_stride = view.stride});
  }
  for (size_t r = 0; r < queries.size; ++r) {
    sums[r] = 1.0F / sums[r];
  }
  compute.kernels->scale_rows(rows_out, view.stride, queries.size, view.channels, sums);
}

struct BackwardRows {
  const float* qkv = nullptr;
  const float* row_maximum = nullptr;
  const float* inverse_sum = nullptr;
  const float* out_gradient = nullptr;
  float* qkv_gradient = nullptr;
};

// What one block of queries against one block of keys adds to the gradients of all three.
void backward_block(const Compute& compute, const HeadView& view, Block queries, Block keys,
                    const BackwardRows& rows, const float* dots) {
  alignas(64) float scores[kBlock * kBlock];
  alignas(64) float gradient[kBlock * kBlock];
  const size_t wide = 3 * view.stride;
  const float* query_rows = view.query(rows.qkv, queries.begin);
  const float* key_rows = view.query(rows.qkv, keys.begin) + view.stride;
  const float* out_gradient = rows.out_gradient + view.out(queries.begin);
  float* key_gradient = view.query(rows.qkv_gradient, keys.begin) + view.stride;
  block_products(compute, view, queries, keys, query_rows, wide, key_rows, scores);
  block_products(compute, view, queries, keys, out_gradient, view.stride, key_rows + view.stride,
                 gradient);
  drop(compute, view, queries, keys, gradient);
  const size_t statistics = view.statistics + queries.begin;
  compute.kernels->attention_block_backward({.scores = scores,
                                             .stride = kBlock,
                                             .rows = queries.size,
                                             .columns = keys.size,
                                             .visible = queries.begin - keys.begin + 1,
                                             .factor = score_factor(view)},
                                            rows.row_maximum + statistics,
                                            rows.inverse_sum + statistics, dots, gradient);
  drop(compute, view, queries, keys, scores);
  // The diagonal block is the first one that touches these keys, block 0 the first for these
  // queries.
  const float add_to_keys = queries.begin > keys.begin ? 1.0F : 0.0F;
  Gemm product{.transpose_a = true,
               .m = keys.size,
               .n = view.channels,
               .k = queries.size,
               .a = scores,
               .a_stride = kBlock,
               .b = out_gradient,
               .b_stride = view.stride,
               .beta = add_to_keys,
               .c = key_gradient + view.stride,
               .c_stride = wide};
  gemm_on_this_thread(compute, product);
  product.a = gradient;
  product.b = query_rows;
  product.b_stride = wide;
  product.c = key_gradient;
  gemm_on_this_thread(compute, product);
  gemm_on_this_thread(compute, {.m = queries.size,
                                .n = view.channels,
                                .k = keys.size,
                                .a = gradient,
                                .a_stride = kBlock,
                                .b = key_rows,
                                .b_stride = wide,
                                .beta = keys.begin > 0 ? 1.0F : 0.0F,
                                .c = view.query(rows.qkv_gradient, queries.begin),
                                .c_stride = wide});
}

}  // namespace

void attention_forward(const Compute& compute, const BatchShape& shape, const Attention& op,
                       const float* qkv, float* out, float* row_maximum, float* inverse_sum) {
  compute.pool->run(shape.sequences * op.heads, [&](size_t task) {
    const HeadView view = view_of(shape, op, task);
    for (size_t begin = 0; begin < shape.length; begin += kBlock) {
      forward_queries(compute, view, block_at(begin, shape.length), shape.length, qkv, out,
                      row_maximum, inverse_sum);
    }
  });
}

void attention_forward_rows(const Compute& compute, const Attention& op, const RowRange& rows,
                            const float* qkv, float* out, float* row_maximum, float* inverse_sum) {
  CHECK(rows.begin < rows.end && rows.begin / kBlock == (rows.end - 1) / kBlock);
  compute.pool->run(op.heads, [&](size_t head) {
    forward_queries(compute, view_of({1, rows.end}, op, head), {rows.begin, rows.end - rows.begin},
                    rows.end, qkv, out, row_maximum, inverse_sum);
  });
}

void attention_backward(const Compute& compute, const BatchShape& shape, const Attention& op,
                        const float* qkv, const float* out, const float* row_maximum,
                        const float* inverse_sum, const float* out_gradient, float* qkv_gradient) {
  const BackwardRows rows{qkv, row_maximum, inverse_sum, out_gradient, qkv_gradient};
  compute.pool->run(shape.sequences * op.heads, [&](size_t task) {
    const HeadView view = view_of(shape, op, task);
    alignas(64) float dots[kBlock];
    for (size_t begin = 0; begin < shape.length; begin += kBlock) {
      const Block queries = block_at(begin, shape.length);
      compute.kernels->row_dots(out + view.out(begin), out_gradient + view.out(begin), view.stride,
                                queries.size, view.channels, dots);
      // Keys in ascending order; the diagonal block comes last for these queries, and is the first
      // that touches its keys.
      for (size_t key = 0; key <= begin; key += kBlock) {
        backward_block(compute, view, queries, block_at(key, shape.length), rows, dots);
      }
    }
  });
}

}  // namespace ballast
