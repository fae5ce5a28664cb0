// What is known of all objects of one kind: filled by a watch, read by reconcilers. A list swaps in
// whole, and tells what was deleted while nobody watched. Objects may be found by a group, too (the
// pods of a job). Not for several threads at once; objects may be kept.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "operator/core/object.h"

namespace ballast::kube {

class ObjectStore {
 public:
  // To which group an object belongs; empty: to none.
  using GroupOf = std::function<std::string(const Object&)>;
  explicit ObjectStore(GroupOf group_of = nullptr) : group_of_(std::move(group_of)) {}

  // Each returns the keys of the objects that are new, other or gone: what must be looked at again.
  std::vector<std::string> replace(std::vector<Object> objects);
  std::vector<std::string> put(Object object);
  std::vector<std::string> remove(const Object& object);

  const Object* find(const std::string& key) const;
  std::vector<Object> in_group(const std::string& group) const;  // by key
  const std::map<std::string, Object>& all() const { return objects_; }
  // Whether a whole list has come in. Before that, what is not found may well exist.
  bool synced() const { return synced_; }

 private:
  void enter(const std::string& key, const Object& object);
  void leave(const std::string& key, const Object& object);

  GroupOf group_of_;
  std::map<std::string, std::set<std::string>> groups_;  // keys
  std::map<std::string, Object> objects_;                // by key
  bool synced_ = false;
};

}  // namespace ballast::kube
