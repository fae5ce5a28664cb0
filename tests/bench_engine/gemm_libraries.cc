// Matrix products of a small GPT by the library behind gemm.h and by those that it was chosen over,
// on one thread, interleaved: bench_gemm_libraries [ROUNDS]. Libraries are opened where they are
// installed (libopenblas0, libblis4); OPENBLAS_CORETYPE=SkylakeX in the environment shows what
// OpenBLAS reaches where it does not know the CPU.
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "services/engine/gemm.h"

namespace ballast {
namespace {

using Clock = std::chrono::steady_clock;

struct Shape {
  bool transpose_a = false;
  bool transpose_b = false;
  size_t m = 0;
  size_t n = 0;
  size_t k = 0;
};

// Of a linear layer with 1,024 rows, 384 inputs and 1,536 outputs, forward and both backward.
constexpr Shape kShapes[] = {{false, false, 1024, 1536, 384},
                             {false, true, 1024, 384, 1536},
                             {true, false, 384, 1536, 1024}};

// CBLAS in its own words: row-major, and whether an operand is transposed.
enum Cblas : int { kRowMajor = 101, kPlain = 111, kTransposed = 112 };
using CblasSgemm = void (*)(int order, int transpose_a, int transpose_b, int m, int n, int k,
                            float alpha, const float* a, int lda, const float* b, int ldb,
                            float beta, float* c, int ldc);

struct Library {
  std::string name;
  CblasSgemm sgemm = nullptr;  // null: the one behind gemm.h
};

// Never closed: its threads may still be there at the end.
void add_library(std::vector<Library>& libraries, const char* file, const char* kernel_function) {
  void* handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    std::printf("%s is not installed\n", file);
    return;
  }
  Library library{.name = file,
                  .sgemm = reinterpret_cast<CblasSgemm>(dlsym(handle, "cblas_sgemm"))};
  if (library.sgemm == nullptr) {
    std::printf("%s has no cblas_sgemm\n", file);
    return;
  }
  if (kernel_function != nullptr) {
    const auto kernel = reinterpret_cast<const char* (*)()>(dlsym(handle, kernel_function));
    if (kernel != nullptr) library.name += std::string(" with kernels for ") + kernel();
  }
  libraries.push_back(std::move(library));
}

struct Arrays {
  std::vector<float> a, b, c;
};

void multiply(const Library& library, const Compute& compute, const Shape& shape, Arrays& arrays) {
  const size_t a_stride = shape.transpose_a ? shape.m : shape.k;
  const size_t b_stride = shape.transpose_b ? shape.k : shape.n;
  if (library.sgemm == nullptr) {
    gemm(compute, {.transpose_a = shape.transpose_a,
                   .transpose_b = shape.transpose_b,
                   .m = shape.m,
                   .n = shape.n,
                   .k = shape.k,
                   .a = arrays.a.data(),
                   .a_stride = a_stride,
                   .b = arrays.b.data(),
                   .b_stride = b_stride,
                   .c = arrays.c.data(),
                   .c_stride = shape.n});
    return;
  }
  const auto number = [](size_t value) { return static_cast<int>(value); };
  library.sgemm(kRowMajor, shape.transpose_a ? kTransposed : kPlain,
                shape.transpose_b ? kTransposed : kPlain, number(shape.m), number(shape.n),
                number(shape.k), 1.0F, arrays.a.data(), number(a_stride), arrays.b.data(),
                number(b_stride), 0.0F, arrays.c.data(), number(shape.n));
}

// The median of GFLOP/s for each library, rounds interleaved.
std::vector<double> measure(const std::vector<Library>& libraries, const Compute& compute,
                            const Shape& shape, int rounds) {
  Arrays arrays{std::vector<float>(shape.m * shape.k, 0.5F),
                std::vector<float>(shape.k * shape.n, 0.25F),
                std::vector<float>(shape.m * shape.n)};
  const double flops = 2.0 * static_cast<double>(shape.m * shape.n * shape.k);
  std::vector<std::vector<double>> seen(libraries.size());
  for (int round = 0; round < rounds + 2; ++round) {  // the first two warm up
    for (size_t i = 0; i < libraries.size(); ++i) {
      const auto began = Clock::now();
      multiply(libraries[i], compute, shape, arrays);
      const std::chrono::duration<double> took = Clock::now() - began;
      if (round >= 2) seen[i].push_back(flops / took.count() / 1e9);
    }
  }
  std::vector<double> medians;
  for (auto& each : seen) {
    std::nth_element(each.begin(), each.begin() + rounds / 2, each.end());
    medians.push_back(each[static_cast<size_t>(rounds) / 2]);
  }
  return medians;
}

int run(int rounds) {
  ThreadPool pool(1);
  const Compute compute{&pool, &best_kernels()};
  std::vector<Library> libraries{{gemm_library() + ", as the engine uses it", nullptr}};
  add_library(libraries, "libopenblas.so.0", "openblas_get_corename");
  add_library(libraries, "libblis.so.4", nullptr);
  for (const Shape& shape : kShapes) {
    std::printf("%s%s * %s%s to [%zu, %zu] over %zu, Gflop/s\n", "a", shape.transpose_a ? "^T" : "",
                "b", shape.transpose_b ? "^T" : "", shape.m, shape.n, shape.k);
    const std::vector<double> speeds = measure(libraries, compute, shape, rounds);
    for (size_t i = 0; i < libraries.size(); ++i) {
      std::printf("  %7.1f  %s\n", speeds[i], libraries[i].name.c_str());
    }
  }
  return 0;
}

}  // namespace
}  // namespace ballast

int main(int count, char** arguments) {
  // Before a library is opened, which reads them then.
  ::setenv("OPENBLAS_NUM_THREADS", "1", 0);
  ::setenv("BLIS_NUM_THREADS", "1", 0);
  const int rounds = count > 1 ? std::atoi(arguments[1]) : 21;
  return ballast::run(std::max(rounds, 1));
}
