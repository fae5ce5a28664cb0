// Reads the fields of one map of a document into typed values and notes every problem on the way:
// wrong types at once, unknown keys when the map is finished. An absent field leaves its default.
// Not for several threads; the document must outlive the reader.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "operator/api/document.h"
#include "operator/api/problem.h"

namespace ballast::api {

class FieldReader {
 public:
  // `node` null: the map is absent and every field keeps its default.
  FieldReader(const Node* node, std::string path, std::vector<Problem>& problems);

  FieldReader map(const std::string& name);
  void boolean(const std::string& name, bool& out);
  void integer(const std::string& name, int64_t& out);
  void text(const std::string& name, std::string& out);
  void decimal(const std::string& name, std::string& out);  // a string that holds a number
  void texts(const std::string& name, std::vector<std::string>& out);
  void text_map(const std::string& name, std::map<std::string, std::string>& out);
  void integer_map(const std::string& name, std::map<std::string, int64_t>& out);
  void any_map(const std::string& name, nlohmann::json& out);
  void ignore(const std::string& name);

  bool has(const std::string& name) const;  // present and not null
  void problem(const std::string& name, std::string message);
  // Notes the keys that nobody asked for. Call it last.
  void finish();

 private:
  const Node* take(const std::string& name);
  std::string path_of(const std::string& name) const;
  void wrong(const std::string& path, const Node& found, const std::string& expected);
  bool read_text(const std::string& path, const Node& node, std::string& out);

  const Node* node_;
  std::string path_;
  std::vector<Problem>* problems_;
  std::vector<std::string> known_;
};

}  // namespace ballast::api
