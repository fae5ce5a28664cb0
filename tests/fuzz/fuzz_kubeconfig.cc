// Kubeconfigs, and the base64 in them.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base64.h"
#include "operator/kube/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto read = [](const std::filesystem::path&) -> Result<std::string> {
    return fail(ErrorCode::kNotFound, "no files here");
  };
  const auto config = kube::parse_kubeconfig(text, "/folder", read);
  if (config && config->certificate_pem.empty() != config->key_pem.empty()) __builtin_trap();
  if (const auto bytes = decode_base64(text); bytes && bytes->size() > size) __builtin_trap();
  return 0;
}
