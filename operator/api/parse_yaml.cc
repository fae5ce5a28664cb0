// The one file that meets yaml-cpp: its events become a Node, its exceptions an Error.
#include <exception>
#include <map>
#include <sstream>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "operator/api/document.h"

namespace ballast::api {
namespace {

// Thrown through yaml-cpp's parser, caught in parse_yaml.
struct Refused : std::exception {
  Refused(int line_number, std::string text) : line(line_number), message(std::move(text)) {}
  int line;
  std::string message;
};

int line_of(const YAML::Mark& mark) { return mark.is_null() ? 0 : mark.line + 1; }

size_t count_nodes(const Node& node) {
  size_t count = 1;
  for (const Node& item : node.items) count += count_nodes(item);
  for (const Field& field : node.fields) count += count_nodes(field.value);
  return count;
}

int depth_of(const Node& node) {
  int depth = 0;
  for (const Node& item : node.items) depth = std::max(depth, depth_of(item));
  for (const Field& field : node.fields) depth = std::max(depth, depth_of(field.value));
  return depth + 1;
}

class TreeBuilder : public YAML::EventHandler {
 public:
  Node take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node;
    node.line = line_of(mark);
    add(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    // An alias inside the value that it names has no finite expansion.
    if (found == anchors_.end()) throw Refused(line_of(mark), "an alias that refers to itself");
    count(count_nodes(found->second) - 1, line_of(mark));
    check_depth(depth_of(found->second), line_of(mark));
    add(found->second, 0);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node;
    if (tag == "?") {
      node = resolve_plain_scalar(value);
    } else if (tag == "!" || tag == "tag:yaml.org,2002:str") {
      node.kind = NodeKind::kString;
      node.text = value;
    } else {
      throw Refused(line_of(mark), "the tag " + tag + " is not supported");
    }
    node.line = line_of(mark);
    add(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(NodeKind::kList, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(NodeKind::kMap, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor = 0;
    bool has_key = false;
    std::string key;
    int key_line = 0;
  };

  void count(size_t more, int line) {
    nodes_ += more;
    if (nodes_ > kMaxDocumentNodes) {
      throw Refused(
          line, "more than " + std::to_string(kMaxDocumentNodes) + " values (aliases expanded)");
    }
  }

  void check_depth(int more, int line) const {
    if (static_cast<int>(open_.size()) + more > kMaxDocumentDepth) {
      throw Refused(line, "nested more than " + std::to_string(kMaxDocumentDepth) + " levels deep");
    }
  }

  void open(NodeKind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (!tag.empty() && tag != "?" && tag != "!" && tag != "tag:yaml.org,2002:map" &&
        tag != "tag:yaml.org,2002:seq") {
      throw Refused(line_of(mark), "the tag " + tag + " is not supported");
    }
    check_depth(1, line_of(mark));
    Open item;
    item.node.kind = kind;
    item.node.line = line_of(mark);
    item.anchor = anchor;
    open_.push_back(std::move(item));
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    add(std::move(done.node), done.anchor);
  }

  void add(Node node, YAML::anchor_t anchor) {
    count(1, node.line);
    if (anchor != 0) anchors_[anchor] = node;
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == NodeKind::kList) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.has_key) {
      take_key(parent, node);
    } else {
      parent.has_key = false;
      parent.node.fields.push_back({std::move(parent.key), parent.key_line, std::move(node)});
    }
  }

  static void take_key(Open& parent, const Node& node) {
    if (node.kind == NodeKind::kList || node.kind == NodeKind::kMap) {
      throw Refused(node.line, "a key must be a word, found " + describe(node));
    }
    if (node.text == "<<")
      throw Refused(node.line, "merge keys (<<) are not supported; write the fields out");
    const std::string key = node.kind == NodeKind::kNull && node.text.empty() ? "null" : node.text;
    if (parent.node.find(key) != nullptr)
      throw Refused(node.line, "the key \"" + key + "\" appears twice");
    parent.has_key = true;
    parent.key = key;
    parent.key_line = node.line;
  }

  Node root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Node> anchors_;
  size_t nodes_ = 0;
};

std::string at_line(int line, const std::string& message) {
  return line > 0 ? "line " + std::to_string(line) + ": " + message : message;
}

// YAML allows no control characters but tab and line ends; yaml-cpp would also guess at UTF-16.
Result<void> check_text(std::string_view text) {
  int line = 1;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == '\n') ++line;
    size_t follow = 0;
    if (byte == '\t' || byte == '\n' || byte == '\r' || (byte >= 0x20 && byte < 0x7f)) continue;
    if (byte >= 0xc2 && byte <= 0xdf) follow = 1;
    if (byte >= 0xe0 && byte <= 0xef) follow = 2;
    if (byte >= 0xf0 && byte <= 0xf4) follow = 3;
    bool good = follow > 0 && i + follow < text.size();
    for (size_t k = 1; good && k <= follow; ++k) {
      good = (static_cast<unsigned char>(text[i + k]) & 0xc0) == 0x80;
    }
    if (!good) {
      char hex[8];
      std::snprintf(hex, sizeof hex, "0x%02x", byte);
      return fail(ErrorCode::kInvalid,
                  at_line(line, std::string("byte ") + std::to_string(i) + " is " + hex +
                                    ", which is no UTF-8 text"));
    }
    i += follow;
  }
  return {};
}

}  // namespace

Result<Node> parse_yaml(std::string_view text) {
  if (text.size() > kMaxDocumentBytes) {
    return fail(ErrorCode::kInvalid, "the document has " + std::to_string(text.size()) +
                                         " bytes; at most " + std::to_string(kMaxDocumentBytes) +
                                         " are read");
  }
  if (auto checked = check_text(text); !checked) return tl::unexpected(checked.error());
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    TreeBuilder builder;
    if (!parser.HandleNextDocument(builder))
      return fail(ErrorCode::kInvalid, "the document is empty");
    Node root = builder.take();
    TreeBuilder rest;
    if (parser.HandleNextDocument(rest)) {
      return fail(ErrorCode::kInvalid,
                  at_line(rest.take().line, "a second document begins; one is expected"));
    }
    return root;
  } catch (const Refused& refused) {
    return fail(ErrorCode::kInvalid, at_line(refused.line, refused.message));
  } catch (const YAML::Exception& error) {
    return fail(ErrorCode::kInvalid, at_line(line_of(error.mark), "not YAML: " + error.msg));
  } catch (const std::exception& error) {
    return fail(ErrorCode::kInvalid, std::string("not YAML: ") + error.what());
  }
}

}  // namespace ballast::api
