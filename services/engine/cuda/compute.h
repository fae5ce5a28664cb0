// What every CUDA operation needs to run: the stream that it is put into, the libraries, and memory
// for what it adds up in parts. Results depend on shapes and values, on the kind of device and on
// the build: sums are cut by shape alone, and nothing is added atomically.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace ballast::cuda {

class MatrixProducts;
class FusedAttention;
class Profile;

struct Compute {
  cudaStream_t stream = nullptr;
  MatrixProducts* products = nullptr;
  FusedAttention* attention = nullptr;  // null: scores are made one sequence at a time
  float* scratch = nullptr;             // of scratch_elements() (operations.h)
  Profile* profile = nullptr;           // null: none is made
};

}  // namespace ballast::cuda
