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
  groups_.clear();
  for (const auto& [key, object] : objects_) enter(key, object);
  synced_ = true;
  return changed;
}

std::vector<std::string> ObjectStore::put(Object object) {
  const std::string key = object.key();
  const Object* before = find(key);
  if (before != nullptr && same(*before, object)) return {};
  if (before != nullptr) leave(key, *before);
  enter(key, object);
  objects_.insert_or_assign(key, std::move(object));
  return {key};
}

std::vector<std::string> ObjectStore::remove(const Object& object) {
  const std::string key = object.key();
  const auto found = objects_.find(key);
  if (found == objects_.end()) return {};
  leave(key, found->second);
  objects_.erase(found);
  return {key};
}

void ObjectStore::enter(const std::string& key, const Object& object) {
  if (!group_of_) return;
  if (const std::string group = group_of_(object); !group.empty()) groups_[group].insert(key);
}

void ObjectStore::leave(const std::string& key, const Object& object) {
  if (!group_of_) return;
  const auto group = groups_.find(group_of_(object));
  if (group == groups_.end()) return;
  group->second.erase(key);
  if (group->second.empty()) groups_.erase(group);
}

std::vector<Object> ObjectStore::in_group(const std::string& group) const {
  std::vector<Object> objects;
  const auto found = groups_.find(group);
  if (found == groups_.end()) return objects;
  for (const std::string& key : found->second) objects.push_back(objects_.at(key));
  return objects;
}

const Object* ObjectStore::find(const std::string& key) const {
  const auto found = objects_.find(key);
  return found == objects_.end() ? nullptr : &found->second;
}

}  // namespace ballast::kube
