// The one name that libballast_cuda.so shows.
#include "services/engine/gpu_engine.h"

extern "C" [[gnu::visibility("default")]] const ballast::GpuEngine* ballast_gpu_engine();

const ballast::GpuEngine* ballast_gpu_engine() {
  static const ballast::GpuEngine engine{.build = ballast::engine_build(),
                                         .find_gpu = ballast::find_gpu,
                                         .make_gpu_gpt = ballast::make_gpu_gpt,
                                         .numerics_fingerprint = ballast::gpu_numerics_fingerprint};
  return &engine;
}
