#include "operator/api/training_choices.h"

#include <algorithm>

namespace ballast::api {

bool NamedChoice::has(std::string_view field) const {
  return std::find(fields.begin(), fields.end(), field) != fields.end();
}

std::span<const NamedChoice> optimizer_choices() {
  static const std::vector<NamedChoice> choices = {
      {"sgd", {"momentum", "nesterov"}},        {"adam", {"beta1", "beta2", "epsilon"}},
      {"adamw", {"beta1", "beta2", "epsilon"}}, {"adagrad", {"epsilon"}},
      {"rmsprop", {"alpha", "epsilon"}},
  };
  return choices;
}

std::span<const NamedChoice> schedule_choices() {
  static const std::vector<NamedChoice> choices = {
      {"constant", {}},
      {"linear", {"warmupSteps", "lengthSteps", "minLearningRate"}},
      {"warmupCosine", {"warmupSteps", "lengthSteps", "minLearningRate"}},
      {"warmupStableDecay", {"warmupSteps", "lengthSteps", "decaySteps", "minLearningRate"}},
      {"inverseSquareRoot", {"warmupSteps", "minLearningRate"}},
  };
  return choices;
}

const NamedChoice* find_choice(std::span<const NamedChoice> choices, std::string_view name) {
  const auto found = std::find_if(choices.begin(), choices.end(),
                                  [&](const NamedChoice& choice) { return choice.name == name; });
  return found == choices.end() ? nullptr : &*found;
}

std::vector<std::string> names_of(std::span<const NamedChoice> choices) {
  std::vector<std::string> names;
  for (const NamedChoice& choice : choices) names.push_back(choice.name);
  return names;
}

std::vector<std::string> special_fields(std::span<const NamedChoice> choices) {
  std::vector<std::string> fields;
  for (const NamedChoice& choice : choices) {
    for (const std::string& field : choice.fields) {
      if (std::find(fields.begin(), fields.end(), field) == fields.end()) fields.push_back(field);
    }
  }
  return fields;
}

std::string owners_of(std::span<const NamedChoice> choices, std::string_view field) {
  std::vector<std::string> owners;
  for (const NamedChoice& choice : choices) {
    if (choice.has(field)) owners.push_back(choice.name);
  }
  return listed(owners);
}

std::string listed(std::span<const std::string> words) {
  if (words.empty()) return "nothing";
  std::string text = words[0];
  for (size_t i = 1; i < words.size(); ++i) {
    text += (i + 1 == words.size() ? " and " : ", ") + words[i];
  }
  return text;
}

}  // namespace ballast::api
