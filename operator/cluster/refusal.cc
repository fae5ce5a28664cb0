#include "operator/cluster/refusal.h"

#include <algorithm>

namespace ballast::cluster {
namespace {

using decide::Trouble;
using nlohmann::json;

constexpr size_t kMaxMessageBytes = 1024;
constexpr int kNotAuthenticated = 401;  // we are unknown to the server: a fault of ours

}  // namespace

std::optional<Trouble> refusal_of(const kube::ApiError& error) {
  const std::string message = error.error.message.substr(0, kMaxMessageBytes);
  const auto says = [&](const char* words) { return message.find(words) != message.npos; };
  switch (error.error.code) {
    case ErrorCode::kDenied:
      if (error.status == kNotAuthenticated) return std::nullopt;
      if (says("exceeded quota")) return Trouble{"QuotaExceeded", message};
      if (says("being terminated")) return Trouble{"NamespaceTerminating", message};
      if (says("violates PodSecurity")) return Trouble{"PodSecurityViolated", message};
      return Trouble{"Forbidden", message};
    case ErrorCode::kInvalid:
      return Trouble{"Invalid", message};
    case ErrorCode::kNotFound:
      return Trouble{"NamespaceGone", message};
    default:
      return std::nullopt;
  }
}

bool holds_for_all(const Trouble& refusal) {
  return refusal.reason != "Invalid" && refusal.reason != "NameTaken";
}

Trouble name_taken(const std::string& kind, const std::string& name) {
  return {"NameTaken", "the " + kind + " " + name + " is somebody else's, and is left alone"};
}

bool is_owned_by(const kube::Object& object, const std::string& uid) {
  const json& metadata = object.body->at("metadata");
  if (!metadata.contains("ownerReferences")) return false;
  const json& owners = metadata["ownerReferences"];
  return std::any_of(owners.begin(), owners.end(), [&](const json& owner) {
    return owner.is_object() && owner.contains("uid") && owner["uid"] == uid;
  });
}

}  // namespace ballast::cluster
