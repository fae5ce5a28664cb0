#include "services/engine/gpu_engine.h"

#include <dlfcn.h>

#include <filesystem>

#include <fmt/format.h>

namespace ballast {
namespace {

// The first place that has the file, or the bare name.
std::string library_path() {
  std::error_code none;
  const auto folder = std::filesystem::read_symlink("/proc/self/exe", none).parent_path();
  for (const auto& place : {folder, folder / "../lib/ballast"}) {
    const auto path = place / kGpuLibrary;
    if (std::filesystem::exists(path, none)) return path.string();
  }
  return kGpuLibrary;
}

}  // namespace

std::string_view engine_build() { return BALLAST_VERSION " " __VERSION__; }

Result<const GpuEngine*> load_gpu_engine() {
  void* library = ::dlopen(library_path().c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return fail(ErrorCode::kNotFound, fmt::format("no CUDA: {}", ::dlerror()));
  }
  const auto function = reinterpret_cast<GpuFunction>(::dlsym(library, kGpuFunction));
  const GpuEngine* engine = function == nullptr ? nullptr : function();
  if (engine == nullptr || engine->build != engine_build()) {
    return fail(ErrorCode::kInvalid,
                fmt::format("{} is of another build: {}, expected {}", library_path(),
                            engine == nullptr ? "unknown" : engine->build, engine_build()));
  }
  return engine;
}

}  // namespace ballast
