#include "services/engine/cuda/profile.h"

#include "services/engine/cuda/runtime.h"

namespace ballast::cuda {

Profile::~Profile() {
  for (const Span& span : spans_) {
    (void)cudaEventDestroy(span.began);
    (void)cudaEventDestroy(span.ended);
  }
}

void Profile::begin(const char* kind, cudaStream_t stream) {
  if (used_ == spans_.size()) {
    Span& span = spans_.emplace_back();
    check(cudaEventCreate(&span.began), "cudaEventCreate");
    check(cudaEventCreate(&span.ended), "cudaEventCreate");
  }
  spans_[used_].kind = kind;
  check(cudaEventRecord(spans_[used_].began, stream), "cudaEventRecord");
}

void Profile::end(cudaStream_t stream) {
  // Runs while an exception may be on its way: the next call that is checked tells of an error.
  (void)cudaEventRecord(spans_[used_].ended, stream);
  ++used_;
}

std::map<std::string, double> Profile::take() {
  std::map<std::string, double> seconds;
  for (size_t i = 0; i < used_; ++i) {
    float milliseconds = 0;
    check(cudaEventSynchronize(spans_[i].ended), "cudaEventSynchronize");
    check(cudaEventElapsedTime(&milliseconds, spans_[i].began, spans_[i].ended),
          "cudaEventElapsedTime");
    seconds[spans_[i].kind] += static_cast<double>(milliseconds) / 1000;
  }
  used_ = 0;
  return seconds;
}

}  // namespace ballast::cuda
