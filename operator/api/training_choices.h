// The optimizers and schedules that a job may name, with the fields that each of them has: what
// reading, writing and the rules agree on. Plain values; tests hold them against what servers know.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ballast::api {

struct NamedChoice {
  std::string name;
  std::vector<std::string> fields;  // beyond those that all of them have

  bool has(std::string_view field) const;
};

std::span<const NamedChoice> optimizer_choices();
std::span<const NamedChoice> schedule_choices();

// nullptr: there is none of that name.
const NamedChoice* find_choice(std::span<const NamedChoice> choices, std::string_view name);
std::vector<std::string> names_of(std::span<const NamedChoice> choices);

// Fields that some choices have and others do not, each once.
std::vector<std::string> special_fields(std::span<const NamedChoice> choices);
// "adam, adamw and rmsprop": those that have the field.
std::string owners_of(std::span<const NamedChoice> choices, std::string_view field);
// "a, b and c"; "nothing" of an empty list.
std::string listed(std::span<const std::string> words);

}  // namespace ballast::api
