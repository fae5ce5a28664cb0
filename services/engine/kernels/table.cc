// Compiled once for each instruction set, with BALLAST_KERNELS_NAME and BALLAST_KERNELS_FUNCTION
// set by the build.
#include "services/engine/kernels.h"
#include "services/engine/kernels/dropout.h"
#include "services/engine/kernels/elementwise.h"
#include "services/engine/kernels/gelu.h"
#include "services/engine/kernels/layer_norm.h"
#include "services/engine/kernels/softmax.h"

namespace ballast {

const KernelTable& BALLAST_KERNELS_FUNCTION() {
  static constexpr KernelTable kTable = {
      .name = BALLAST_KERNELS_NAME,
      .add = add,
      .add_bias = add_bias,
      .column_sums = column_sums,
      .gelu_tanh_forward = gelu_tanh_forward,
      .gelu_tanh_backward = gelu_tanh_backward,
      .gelu_exact_forward = gelu_exact_forward,
      .gelu_exact_backward = gelu_exact_backward,
      .dropout = dropout,
      .layer_norm_forward = layer_norm_forward,
      .layer_norm_backward_rows = layer_norm_backward_rows,
      .layer_norm_backward_columns = layer_norm_backward_columns,
      .attention_block_forward = attention_block_forward,
      .scale_rows = scale_rows,
      .row_dots = row_dots,
      .attention_block_backward = attention_block_backward,
      .cross_entropy_row = cross_entropy_row,
  };
  return kTable;
}

}  // namespace ballast
