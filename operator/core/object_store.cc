#include "operator/core/object_store.h"

#include <utility>

namespace ballast::kube {
namespace {

bool same(const Object& a, const Object& b) {
  return a.uid == b.uid && a.resource_version == b.resource_version;
}

}  // namespace

std::vector<std::string> ObjectStore::replace(std::vector<Object> objects) {
  std::map<std::string, Object> next;
  for (Object& object : objects) {
    std::string key = object.key();
    next.insert_or_assign(std::move(key), std::move(object));
  }
  std::vector<std::string> changed;
  for (const auto& [key, object] : next) {
    const Object* before = find(key);
    if (before == nullptr || !same(*before, object)) changed.push_back(key);
  }
  for (const auto& [key, object] : objects_) {
    if (!next.contains(key)) changed.push_back(key);
  }
  objects_ = std::move(next);
  synced_ = true;
  return changed;
}

std::vector<std::string> ObjectStore::put(Object object) {
  const std::string key = object.key();
  const Object* before = find(key);
  if (before != nullptr && same(*before, object)) return {};
  objects_.insert_or_assign(key, std::move(object));
  return {key};
}

std::vector<std::string> ObjectStore::remove(const Object& object) {
  const std::string key = object.key();
  if (objects_.erase(key) == 0) return {};
  return {key};
}

const Object* ObjectStore::find(const std::string& key) const {
  const auto found = objects_.find(key);
  return found == objects_.end() ? nullptr : &found->second;
}

}  // namespace ballast::kube
