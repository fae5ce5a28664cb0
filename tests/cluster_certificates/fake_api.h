// An API server in memory, for objects that are asked for by name: resourceVersions, conflicts,
// uids. What a test tells it to refuse it refuses. Any thread.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/mutex.h"
#include "operator/kube/http.h"

namespace ballast::kube {

class FakeApi : public HttpTransport {
 public:
  Result<HttpAnswer> send(const HttpRequest& request, std::stop_token) override {
    const MutexLock lock(mutex_);
    const std::string path = request.path.substr(0, request.path.find('?'));
    asked_.push_back(request.method + " " + path);
    if (const auto refused = refusals_.find(request.method); refused != refusals_.end()) {
      return status(refused->second, "Refused");
    }
    if (request.method == "GET") return objects_.contains(path) ? answer(path) : not_found(path);
    if (request.method == "POST") return create(path, nlohmann::json::parse(request.body));
    if (request.method == "PUT") return replace(path, nlohmann::json::parse(request.body));
    if (request.method == "PATCH") return patch(path, request);
    return status(405, "MethodNotAllowed");
  }
  Result<HttpAnswer> stream(const HttpRequest&, const std::function<bool(std::string_view)>&,
                            std::stop_token) override {
    return fail(ErrorCode::kInternal, "no watches here");
  }

  // Every request of this method is answered so; 0: no more.
  void refuse(const std::string& method, int status) {
    const MutexLock lock(mutex_);
    refusals_.erase(method);
    if (status != 0) refusals_[method] = status;
  }
  void put(const std::string& path, nlohmann::json object) {
    const MutexLock lock(mutex_);
    store(path, std::move(object));
  }
  void remove(const std::string& path) {
    const MutexLock lock(mutex_);
    objects_.erase(path);
  }
  // null: it is not there.
  nlohmann::json get(const std::string& path) const {
    const MutexLock lock(mutex_);
    const auto found = objects_.find(path);
    return found == objects_.end() ? nlohmann::json() : found->second;
  }
  // "PUT /api/v1/...", since the last call.
  std::vector<std::string> take_asked() {
    const MutexLock lock(mutex_);
    return std::exchange(asked_, {});
  }

 private:
  HttpAnswer answer(const std::string& path) const BALLAST_REQUIRES(mutex_) {
    return {200, objects_.at(path).dump(), std::nullopt};
  }
  static HttpAnswer status(int code, const std::string& reason) {
    const nlohmann::json body = {{"kind", "Status"},
                                 {"code", code},
                                 {"reason", reason},
                                 {"message", "the server says " + reason}};
    return {code, body.dump(), std::nullopt};
  }
  static HttpAnswer not_found(const std::string&) { return status(404, "NotFound"); }

  void store(const std::string& path, nlohmann::json object) BALLAST_REQUIRES(mutex_) {
    object["metadata"]["resourceVersion"] = std::to_string(++version_);
    if (!object["metadata"].contains("uid")) {
      object["metadata"]["uid"] = "uid-" + std::to_string(version_);
    }
    objects_[path] = std::move(object);
  }
  HttpAnswer create(const std::string& collection, nlohmann::json object) BALLAST_REQUIRES(mutex_) {
    const std::string path = collection + "/" + object["metadata"]["name"].get<std::string>();
    if (objects_.contains(path)) return status(409, "AlreadyExists");
    store(path, std::move(object));
    return answer(path);
  }
  HttpAnswer replace(std::string path, nlohmann::json object) BALLAST_REQUIRES(mutex_) {
    if (path.ends_with("/status")) path.resize(path.size() - std::string("/status").size());
    if (!objects_.contains(path)) return not_found(path);
    if (!same_version(path, object)) return status(409, "Conflict");
    store(path, std::move(object));
    return answer(path);
  }
  // Apply, of fields that are only ours.
  HttpAnswer patch(const std::string& path, const HttpRequest& request) BALLAST_REQUIRES(mutex_) {
    if (request.content_type != "application/apply-patch+yaml") return status(415, "Unsupported");
    nlohmann::json object = objects_.contains(path) ? objects_[path] : nlohmann::json::object();
    object.merge_patch(nlohmann::json::parse(request.body));
    store(path, std::move(object));
    return answer(path);
  }
  // What names no version takes any.
  bool same_version(const std::string& path, const nlohmann::json& wanted) const
      BALLAST_REQUIRES(mutex_) {
    const nlohmann::json metadata = wanted.value("metadata", nlohmann::json::object());
    return !metadata.contains("resourceVersion") ||
           metadata["resourceVersion"] == objects_.at(path)["metadata"]["resourceVersion"];
  }

  mutable Mutex mutex_;
  std::map<std::string, nlohmann::json> objects_ BALLAST_GUARDED_BY(mutex_);
  std::map<std::string, int> refusals_ BALLAST_GUARDED_BY(mutex_);
  std::vector<std::string> asked_ BALLAST_GUARDED_BY(mutex_);
  uint64_t version_ BALLAST_GUARDED_BY(mutex_) = 0;
};

}  // namespace ballast::kube
