// Where a device spends its time, by kind of work: pairs of events around what is put into a
// stream. For benchmarks; without one, operations record nothing. One thread at a time.
#pragma once

#include <cuda_runtime_api.h>

#include <map>
#include <string>
#include <vector>

namespace ballast::cuda {

class Profile {
 public:
  Profile() = default;
  ~Profile();
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  void begin(const char* kind, cudaStream_t stream);
  void end(cudaStream_t stream);
  // Seconds by kind since the last call; waits for the device.
  std::map<std::string, double> take();

 private:
  struct Span {
    const char* kind = nullptr;
    cudaEvent_t began = nullptr;
    cudaEvent_t ended = nullptr;
  };
  std::vector<Span> spans_;  // the last one may be open
  size_t used_ = 0;
};

// What is put into the stream during its life is of this kind. Spans do not nest.
class Timed {
 public:
  Timed(Profile* profile, const char* kind, cudaStream_t stream)
      : profile_(profile), stream_(stream) {
    if (profile_ != nullptr) profile_->begin(kind, stream_);
  }
  ~Timed() {
    if (profile_ != nullptr) profile_->end(stream_);
  }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  Profile* profile_;
  cudaStream_t stream_;
};

}  // namespace ballast::cuda
