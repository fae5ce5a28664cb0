#include "operator/kube/field_mask.h"

#include <utility>
#include <vector>

#include "common/check.h"

namespace ballast::kube {
namespace {

using nlohmann::json;

// A server's objects are at most some megabytes and not deep.
constexpr size_t kMaxDepth = 64;

const FieldMask& everything() {
  static const FieldMask mask;
  return mask;
}

// Takes the parser's events, and builds what is wanted.
class Builder : public nlohmann::json_sax<json> {
 public:
  explicit Builder(const FieldMask& mask) : mask_(mask) {}

  json take() { return std::move(root_); }
  bool too_deep() const { return too_deep_; }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return unwanted() || add(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // there is none in text
  bool start_object(size_t) override { return open(json::value_t::object); }
  bool start_array(size_t) override { return open(json::value_t::array); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    if (dropped_depth_ > 0) return true;
    wanted_ = open_.back().mask->find(name);
    if (wanted_ != nullptr) name_ = std::move(name);
    return true;
  }

  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  // An object or a list that is not complete yet.
  struct Open {
    json* value = nullptr;
    const FieldMask* mask = nullptr;
  };

  // Whether the value that comes now is part of nothing that is wanted.
  bool unwanted() const {
    return dropped_depth_ > 0 ||
           (!open_.empty() && open_.back().value->is_object() && wanted_ == nullptr);
  }

  template <typename T>
  bool add(T&& value) {
    if (!unwanted()) put(json(std::forward<T>(value)));
    return true;
  }

  json* put(json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    json& parent = *open_.back().value;
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    json& field = parent[std::move(name_)];
    field = std::move(value);
    return &field;
  }

  bool open(json::value_t kind) {
    too_deep_ = open_.size() + dropped_depth_ >= kMaxDepth;
    if (too_deep_) return false;
    if (unwanted()) {
      ++dropped_depth_;
      return true;
    }
    const FieldMask* mask = &mask_;
    if (!open_.empty()) mask = open_.back().value->is_array() ? open_.back().mask : wanted_;
    open_.push_back({put(json(kind)), mask});
    return true;
  }

  bool close() {
    if (dropped_depth_ > 0) {
      --dropped_depth_;
    } else {
      open_.pop_back();
    }
    return true;
  }

  const FieldMask& mask_;
  json root_;
  std::vector<Open> open_;             // the innermost last
  std::string name_;                   // of the field whose value comes next, in the innermost
  const FieldMask* wanted_ = nullptr;  // of it; null: nothing
  size_t dropped_depth_ = 0;           // open objects and lists that are not wanted
  bool too_deep_ = false;
};

}  // namespace

FieldMask::FieldMask(std::string_view text) : others_(false) {
  read(text);
  CHECK(text.empty());
}

FieldMask FieldMask::of(std::initializer_list<std::pair<std::string, FieldMask>> fields) {
  FieldMask mask;
  mask.others_ = false;
  for (const auto& [name, inner] : fields)
    mask.fields_[name] = std::make_shared<const FieldMask>(inner);
  return mask;
}

void FieldMask::read(std::string_view& text) {
  read_field(text);
  while (text.starts_with(',')) {
    text.remove_prefix(1);
    read_field(text);
  }
}

void FieldMask::read_field(std::string_view& text) {
  const size_t end = std::min(text.find_first_of(",()"), text.size());
  std::string name(text.substr(0, end));
  text.remove_prefix(end);
  CHECK(!name.empty());
  if (name == "*") {
    others_ = true;
  } else if (name.front() == '!') {
    fields_[name.substr(1)] = nullptr;
  } else {
    FieldMask inner;
    if (text.starts_with('(')) {
      text.remove_prefix(1);
      inner.others_ = false;
      inner.read(text);
      CHECK(text.starts_with(')'));
      text.remove_prefix(1);
    }
    fields_[std::move(name)] = std::make_shared<const FieldMask>(std::move(inner));
  }
}

const FieldMask* FieldMask::find(std::string_view name) const {
  const auto found = fields_.find(name);
  if (found != fields_.end()) return found->second.get();
  return others_ ? &everything() : nullptr;
}

std::vector<std::string> FieldMask::names() const {
  std::vector<std::string> names;
  for (const auto& [name, inner] : fields_) {
    if (inner != nullptr) names.push_back(name);
  }
  return names;
}

Result<json> parse_masked(std::string_view text, const FieldMask& mask) {
  Builder builder(mask);
  if (json::sax_parse(text, &builder)) return builder.take();
  return fail(ErrorCode::kCorrupt, builder.too_deep() ? "an answer that is nested too deep"
                                                      : "an answer that is no JSON");
}

}  // namespace ballast::kube
