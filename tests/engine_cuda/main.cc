// Skips the tests, with a line that says so, where there is no GPU to run them on.
#include <cstdio>

#include <cuda_runtime.h>
#include <gtest/gtest.h>

namespace {
constexpr int kSkipped = 77;  // what ctest takes for "skipped"
}

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (!testing::GTEST_FLAG(list_tests) && (error != cudaSuccess || devices == 0)) {
    std::printf("skipped: no GPU that CUDA can use: %s\n",
                error == cudaSuccess ? "none is there" : cudaGetErrorString(error));
    return kSkipped;
  }
  return RUN_ALL_TESTS();
}
