// JSON of which only the fields are built that somebody reads. Most of what an API server tells of
// ten thousand pods nobody does; to build all of it took longer than to receive it. Values; any
// thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/error.h"

namespace ballast::kube {

class FieldMask {
 public:
  FieldMask() = default;  // everything
  // "metadata(name,labels(a,b)),spec(*,!template)": these fields and, where it says `*`, all others
  // but those with a `!`. Lists are looked through. CHECKs the form.
  explicit FieldMask(std::string_view text);
  // Of an object with these fields.
  static FieldMask of(std::initializer_list<std::pair<std::string, FieldMask>> fields);

  // What is wanted of the field `name`; null: nothing.
  const FieldMask* find(std::string_view name) const;
  // The fields that are wanted by their names.
  std::vector<std::string> names() const;

 private:
  void read(std::string_view& text);
  void read_field(std::string_view& text);

  bool others_ = true;
  // Null: not wanted.
  std::map<std::string, std::shared_ptr<const FieldMask>, std::less<>> fields_;
};

// kCorrupt: no JSON, or nested deeper than any object is, which bounds the stack of whoever walks
// it. What is not wanted has to be JSON, too.
Result<nlohmann::json> parse_masked(std::string_view text, const FieldMask& mask);

}  // namespace ballast::kube
