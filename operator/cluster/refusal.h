// What it means when the API server does not take an object. Pure functions.
#pragma once

#include <optional>
#include <string>

#include "operator/core/observed.h"
#include "operator/kube/answers.h"

namespace ballast::cluster {

// Why it will not be taken before somebody changes something: a quota, an admission rule, a
// template that is wrong, a namespace on its way out. Nothing: it is the server that fails.
std::optional<decide::Trouble> refusal_of(const kube::ApiError& error);

// Whether it holds for other objects of the namespace, too.
bool holds_for_all(const decide::Trouble& refusal);

// The name belongs to an object of somebody else.
decide::Trouble name_taken(const std::string& kind, const std::string& name);

// Whether the object is the job's with this uid.
bool is_owned_by(const kube::Object& object, const std::string& uid);

}  // namespace ballast::cluster
