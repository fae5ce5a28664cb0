#include "operator/kube/resource.h"

namespace ballast::kube {
namespace {

std::string encoded(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

}  // namespace

std::string Resource::api_version() const {
  return group.empty() ? std::string(version) : std::string(group) + "/" + std::string(version);
}

std::string path_of(const Resource& resource, std::string_view name_space, std::string_view name,
                    std::string_view subresource) {
  std::string path = (resource.group.empty() ? "/api/" : "/apis/") + resource.api_version();
  if (!name_space.empty()) path += "/namespaces/" + encoded(name_space);
  path += "/" + std::string(resource.plural);
  if (!name.empty()) path += "/" + encoded(name);
  if (!subresource.empty()) path += "/" + std::string(subresource);
  return path;
}

void add_query(std::string& path, std::string_view key, std::string_view value) {
  if (value.empty()) return;
  path += path.find('?') == std::string::npos ? '?' : '&';
  path += std::string(key) + "=" + encoded(value);
}

}  // namespace ballast::kube
