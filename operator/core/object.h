// A Kubernetes object as the machines see it: who it is, which version it is, and the rest as it
// came. Plain values; the body is shared and never changes, so copies are cheap and go to any
// thread.
#pragma once

#include <memory>
#include <string>

#include <nlohmann/json.hpp>

namespace ballast::kube {

struct Object {
  std::string name_space;  // empty: the kind has none
  std::string name;
  std::string uid;
  std::string resource_version;  // opaque: compared for equality alone
  std::shared_ptr<const nlohmann::json> body;

  // "namespace/name": what work queues and stores know it by.
  std::string key() const { return name_space.empty() ? name : name_space + "/" + name; }
};

}  // namespace ballast::kube
