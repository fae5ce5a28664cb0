#include "services/engine/cuda/matrix_products.h"

#include <fmt/format.h>

#include "common/check.h"
#include "services/engine/cuda/profile.h"

namespace ballast::cuda {
namespace {

constexpr uint64_t kWorkspaceBytes = 64 << 20;

void check_blas(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const auto kind = status == CUBLAS_STATUS_ALLOC_FAILED ? DeviceError::Kind::kOutOfMemory
                    : status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_ARCH_MISMATCH
                        ? DeviceError::Kind::kUnsupported
                        : DeviceError::Kind::kLost;
  throw DeviceError(kind, fmt::format("{}: {}", what, cublasLtGetStatusString(status)));
}

cudaDataType_t data_type(ElementType type) {
  return type == ElementType::kFp32 ? CUDA_R_32F : CUDA_R_16BF;
}

cublasLtEpilogue_t epilogue_of(Epilogue epilogue) {
  switch (epilogue) {
    case Epilogue::kNone:
      return CUBLASLT_EPILOGUE_DEFAULT;
    case Epilogue::kBias:
      return CUBLASLT_EPILOGUE_BIAS;
    case Epilogue::kBiasGelu:
      return CUBLASLT_EPILOGUE_GELU_AUX_BIAS;
    case Epilogue::kGeluBackward:
      return CUBLASLT_EPILOGUE_DGELU;
  }
  CHECK(false);
  return CUBLASLT_EPILOGUE_DEFAULT;
}

// The library sees columns where we have rows: it is given c transposed, as the product of b
// transposed and a transposed.
class Layout {
 public:
  Layout(ElementType type, size_t rows, size_t columns, size_t stride, size_t count,
         size_t distance) {
    check_blas(cublasLtMatrixLayoutCreate(&layout_, data_type(type), columns, rows,
                                          static_cast<int64_t>(stride)),
               "cublasLtMatrixLayoutCreate");
    if (count > 1) {
      const auto batches = static_cast<int32_t>(count);
      const auto between = static_cast<int64_t>(distance);
      set(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, batches);
      set(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, between);
    }
  }
  ~Layout() { cublasLtMatrixLayoutDestroy(layout_); }
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;
  cublasLtMatrixLayout_t get() const { return layout_; }

 private:
  template <typename T>
  void set(cublasLtMatrixLayoutAttribute_t attribute, const T& value) {
    check_blas(cublasLtMatrixLayoutSetAttribute(layout_, attribute, &value, sizeof value),
               "cublasLtMatrixLayoutSetAttribute");
  }
  cublasLtMatrixLayout_t layout_ = nullptr;
};

}  // namespace

struct MatrixProducts::Plan {
  explicit Plan(const Product& p)
      : a(p.elements, p.transpose_a ? p.k : p.m, p.transpose_a ? p.m : p.k, p.a_stride, p.count,
          p.a_distance),
        b(p.elements, p.transpose_b ? p.n : p.k, p.transpose_b ? p.k : p.n, p.b_stride, p.count,
          p.b_distance),
        c(p.result, p.m, p.n, p.c_stride, p.count, p.c_distance) {
    check_blas(cublasLtMatmulDescCreate(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F),
               "cublasLtMatmulDescCreate");
    set(CUBLASLT_MATMUL_DESC_TRANSA, p.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue_of(p.epilogue));
    if (p.epilogue == Epilogue::kBiasGelu || p.epilogue == Epilogue::kGeluBackward) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, static_cast<int64_t>(p.n));
    }
    set_pointers(p);
  }
  ~Plan() { cublasLtMatmulDescDestroy(product); }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  template <typename T>
  void set(cublasLtMatmulDescAttributes_t attribute, const T& value) {
    check_blas(cublasLtMatmulDescSetAttribute(product, attribute, &value, sizeof value),
               "cublasLtMatmulDescSetAttribute");
  }
  void set_pointers(const Product& p) {
    if (p.epilogue == Epilogue::kBias || p.epilogue == Epilogue::kBiasGelu) {
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
    }
    if (p.epilogue == Epilogue::kBiasGelu || p.epilogue == Epilogue::kGeluBackward) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, p.inner);
    }
  }

  Layout a;
  Layout b;
  Layout c;
  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatmulAlgo_t algorithm{};
  bool possible = false;
};

MatrixProducts::MatrixProducts() : workspace_(kWorkspaceBytes) {
  check_blas(cublasLtCreate(&handle_), "cublasLtCreate");
}

MatrixProducts::~MatrixProducts() {
  plans_.clear();
  if (handle_ != nullptr) (void)cublasLtDestroy(handle_);
}

MatrixProducts::Plan& MatrixProducts::plan_of(const Product& p) {
  const Key key{static_cast<int>(p.elements),
                static_cast<int>(p.result),
                p.transpose_a,
                p.transpose_b,
                p.m,
                p.n,
                p.k,
                p.a_stride,
                p.b_stride,
                p.c_stride,
                static_cast<int>(p.epilogue),
                p.count,
                p.a_distance,
                p.b_distance,
                p.c_distance,
                p.beta != 0};
  auto& plan = plans_[key];
  if (plan != nullptr) return *plan;
  plan = std::make_unique<Plan>(p);
  cublasLtMatmulPreference_t preference = nullptr;
  check_blas(cublasLtMatmulPreferenceCreate(&preference), "cublasLtMatmulPreferenceCreate");
  check_blas(
      cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                           &kWorkspaceBytes, sizeof kWorkspaceBytes),
      "cublasLtMatmulPreferenceSetAttribute");
  cublasLtMatmulHeuristicResult_t best{};
  int found = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(handle_, plan->product, plan->b.get(), plan->a.get(),
                                     plan->c.get(), plan->c.get(), preference, 1, &best, &found);
  (void)cublasLtMatmulPreferenceDestroy(preference);
  if (status != CUBLAS_STATUS_NOT_SUPPORTED) check_blas(status, "cublasLtMatmulAlgoGetHeuristic");
  plan->possible = status == CUBLAS_STATUS_SUCCESS && found > 0;
  plan->algorithm = best.algo;
  return *plan;
}

bool MatrixProducts::multiply(cudaStream_t stream, const Product& p) {
  Plan& plan = plan_of(p);
  if (!plan.possible) {
    if (p.epilogue == Epilogue::kNone) {
      throw DeviceError(
          DeviceError::Kind::kUnsupported,
          fmt::format("{} has no product of [{}, {}] and [{}, {}]", library(), p.m, p.k, p.k, p.n));
    }
    return false;
  }
  plan.set_pointers(p);
  const float one = 1;
  check_blas(cublasLtMatmul(handle_, plan.product, &one, p.b, plan.b.get(), p.a, plan.a.get(),
                            &p.beta, p.c, plan.c.get(), p.c, plan.c.get(), &plan.algorithm,
                            workspace_.as<void>(), kWorkspaceBytes, stream),
             "cublasLtMatmul");
  return true;
}

bool multiply(const Compute& compute, const Product& product) {
  const Timed timed(compute.profile, "products", compute.stream);
  return compute.products->multiply(compute.stream, product);
}

std::string MatrixProducts::library() {
  const size_t version = cublasLtGetVersion();
  return fmt::format("cuBLASLt {}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

}  // namespace ballast::cuda
