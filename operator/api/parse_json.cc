// JSON text into a Node through nlohmann's event interface, so that depth is bounded while reading
// and a repeated key is seen.
#include <utility>

#include "operator/api/document.h"

namespace ballast::api {
namespace {

class TreeBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  Node take() { return std::move(root_); }
  const std::string& error() const { return error_; }

  bool null() override { return add({}); }
  bool boolean(bool value) override {
    Node node;
    node.kind = NodeKind::kBoolean;
    node.boolean = value;
    node.text = value ? "true" : "false";
    return add(std::move(node));
  }
  bool number_integer(number_integer_t value) override {
    Node node;
    node.kind = NodeKind::kInteger;
    node.integer = value;
    node.text = std::to_string(value);
    return add(std::move(node));
  }
  bool number_unsigned(number_unsigned_t value) override {
    return add(resolve_plain_scalar(std::to_string(value)));
  }
  bool number_float(number_float_t, const string_t& text) override {
    Node node;
    node.kind = NodeKind::kDecimal;
    node.text = text;
    return add(std::move(node));
  }
  bool string(string_t& value) override {
    Node node;
    node.kind = NodeKind::kString;
    node.text = value;
    return add(std::move(node));
  }
  bool binary(binary_t&) override { return refuse("binary data"); }
  bool start_object(size_t) override { return open(NodeKind::kMap); }
  bool start_array(size_t) override { return open(NodeKind::kList); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (open_.back().find(name) != nullptr) return refuse("the key \"" + name + "\" appears twice");
    open_.back().fields.push_back({name, 0, {}});
    return true;
  }
  bool parse_error(size_t position, const std::string&,
                   const nlohmann::json::exception& error) override {
    error_ = "not JSON at byte " + std::to_string(position) + ": " + error.what();
    return false;
  }

 private:
  bool refuse(std::string message) {
    error_ = std::move(message);
    return false;
  }

  bool open(NodeKind kind) {
    if (static_cast<int>(open_.size()) >= kMaxDocumentDepth) {
      return refuse("nested more than " + std::to_string(kMaxDocumentDepth) + " levels deep");
    }
    open_.emplace_back().kind = kind;
    return true;
  }

  bool close() {
    Node done = std::move(open_.back());
    open_.pop_back();
    return add(std::move(done));
  }

  bool add(Node node) {
    if (++nodes_ > kMaxDocumentNodes)
      return refuse("more than " + std::to_string(kMaxDocumentNodes) + " values");
    if (open_.empty()) {
      root_ = std::move(node);
    } else if (open_.back().kind == NodeKind::kList) {
      open_.back().items.push_back(std::move(node));
    } else {
      open_.back().fields.back().value = std::move(node);
    }
    return true;
  }

  Node root_;
  std::vector<Node> open_;
  size_t nodes_ = 0;
  std::string error_;
};

}  // namespace

Result<Node> parse_json(std::string_view text) {
  if (text.size() > kMaxDocumentBytes) {
    return fail(ErrorCode::kInvalid, "the document has " + std::to_string(text.size()) +
                                         " bytes; at most " + std::to_string(kMaxDocumentBytes) +
                                         " are read");
  }
  TreeBuilder builder;
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) {
    return fail(ErrorCode::kInvalid, builder.error());
  }
  return builder.take();
}

}  // namespace ballast::api
