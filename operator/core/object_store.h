// What is known of all objects of one kind: filled by a watch, read by reconcilers. A list swaps in
// whole, and tells what was deleted while nobody watched. Not for several threads at once; objects
// may be kept.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "operator/core/object.h"

namespace ballast::kube {

class ObjectStore {
 public:
  // Each returns the keys of the objects that are new, other or gone: what must be looked at again.
  std::vector<std::string> replace(std::vector<Object> objects);
  std::vector<std::string> put(Object object);
  std::vector<std::string> remove(const Object& object);

  const Object* find(const std::string& key) const;
  const std::map<std::string, Object>& all() const { return objects_; }
  // Whether a whole list has come in. Before that, what is not found may well exist.
  bool synced() const { return synced_; }

 private:
  std::map<std::string, Object> objects_;  // by key
  bool synced_ = false;
};

}  // namespace ballast::kube
