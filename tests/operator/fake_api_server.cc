#include "tests/operator/fake_api_server.h"

#include <algorithm>
#include <chrono>
#include <sstream>

#include "common/random_id.h"

namespace ballast {

using kube::HttpAnswer;
using kube::HttpRequest;
using nlohmann::json;

struct FakeApiServer::Place {
  std::string collection;  // "pods"
  std::string name_space;
  std::string name;
  std::string subresource;
  std::map<std::string, std::string> query;
  std::string key() const { return name_space + "/" + name; }
};

namespace {

HttpAnswer refuse(int code, const std::string& reason, const std::string& text) {
  return {code,
          json({{"kind", "Status"}, {"code", code}, {"reason", reason}, {"message", text}}).dump(),
          std::nullopt};
}

std::string decoded(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// "a" (has it) or "a=b"; empty: everything.
bool selected(const json& labels, const std::string& selector) {
  if (selector.empty()) return true;
  const size_t equals = selector.find('=');
  const std::string key = selector.substr(0, equals);
  if (!labels.is_object() || !labels.contains(key)) return false;
  return equals == std::string::npos || labels[key] == selector.substr(equals + 1);
}

}  // namespace

FakeApiServer::Place FakeApiServer::place_of(const std::string& path) {
  Place place;
  const size_t mark = path.find('?');
  std::istringstream queries(mark == std::string::npos ? "" : path.substr(mark + 1));
  for (std::string part; std::getline(queries, part, '&');) {
    const size_t equals = part.find('=');
    place.query[part.substr(0, equals)] = decoded(part.substr(equals + 1));
  }
  std::vector<std::string> parts;
  std::istringstream segments(path.substr(0, mark));
  for (std::string part; std::getline(segments, part, '/');) {
    if (!part.empty()) parts.push_back(part);
  }
  size_t at = parts.at(0) == "api" ? 2 : 3;  // behind the version
  if (parts.size() > at + 2 && parts[at] == "namespaces") {
    place.name_space = parts[at + 1];
    at += 2;
  }
  place.collection = parts.at(at);
  if (parts.size() > at + 1) place.name = parts[at + 1];
  if (parts.size() > at + 2) place.subresource = parts[at + 2];
  return place;
}

void FakeApiServer::set_fault(Fault fault) {
  const MutexLock lock(mutex_);
  fault_ = std::move(fault);
}

void FakeApiServer::set_lost_answer(Fault fault) {
  const MutexLock lock(mutex_);
  lost_answer_ = std::move(fault);
}

void FakeApiServer::forget_history() {
  const MutexLock lock(mutex_);
  events_.clear();
  oldest_ = ++version_;
  changed_.notify_all();
}

void FakeApiServer::put(const std::string& collection, json object) {
  const MutexLock lock(mutex_);
  const std::string key =
      object["metadata"].value("namespace", "") + "/" + object["metadata"].value("name", "");
  const bool is_new = !objects_[collection].contains(key);
  if (is_new) object["metadata"]["uid"] = random_uuid();
  store(collection, key, is_new ? "ADDED" : "MODIFIED", std::move(object));
}

void FakeApiServer::set_status(const std::string& path, const json& status) {
  const MutexLock lock(mutex_);
  const Place place = place_of(path);
  const auto found = objects_[place.collection].find(place.key());
  if (found == objects_[place.collection].end()) return;
  json next = found->second;
  next["status"] = status;
  store(place.collection, place.key(), "MODIFIED", std::move(next));
}

void FakeApiServer::erase(const std::string& path) {
  const MutexLock lock(mutex_);
  remove(place_of(path), json::object());
}

std::optional<json> FakeApiServer::find(const std::string& path) const {
  const MutexLock lock(mutex_);
  const Place place = place_of(path);
  const auto kind = objects_.find(place.collection);
  if (kind == objects_.end() || !kind->second.contains(place.key())) return std::nullopt;
  return kind->second.at(place.key());
}

std::vector<std::string> FakeApiServer::names(const std::string& collection) const {
  const MutexLock lock(mutex_);
  std::vector<std::string> names;
  const auto kind = objects_.find(collection);
  if (kind == objects_.end()) return names;
  for (const auto& [key, object] : kind->second) names.push_back(object["metadata"]["name"]);
  return names;
}

std::vector<std::string> FakeApiServer::writes() const {
  const MutexLock lock(mutex_);
  return writes_;
}

Result<HttpAnswer> FakeApiServer::send(const HttpRequest& request, std::stop_token stop) {
  if (stop.stop_requested()) return fail(ErrorCode::kUnavailable, "stopped");
  Fault fault, lost_answer;
  {
    const MutexLock lock(mutex_);
    fault = fault_;
    lost_answer = lost_answer_;
  }
  if (fault) {
    if (auto instead = fault(request)) return *instead;
  }
  HttpAnswer answer = perform(request);
  if (lost_answer) {
    if (auto instead = lost_answer(request)) return *instead;
  }
  return answer;
}

HttpAnswer FakeApiServer::perform(const HttpRequest& request) {
  const MutexLock lock(mutex_);
  const Place place = place_of(request.path);
  if (request.method != "GET") return write(request, place);
  if (place.name.empty()) return list(place);
  const auto& kind = objects_[place.collection];
  const auto found = kind.find(place.key());
  if (found == kind.end()) return refuse(404, "NotFound", place.key() + " not found");
  return {200, found->second.dump(), std::nullopt};
}

HttpAnswer FakeApiServer::list(const Place& place) const {
  const auto value = [&](const char* name) {
    const auto found = place.query.find(name);
    return found == place.query.end() ? std::string() : found->second;
  };
  const std::string after = value("continue");
  const size_t limit = value("limit").empty() ? SIZE_MAX : std::stoul(value("limit"));
  json items = json::array();
  json metadata = {{"resourceVersion", std::to_string(version_)}};
  const auto kind = objects_.find(place.collection);
  if (kind != objects_.end()) {
    for (const auto& [key, object] : kind->second) {
      const json& own = object["metadata"];
      if (key <= after && !after.empty()) continue;
      if (!place.name_space.empty() && own.value("namespace", "") != place.name_space) continue;
      if (!selected(own.value("labels", json::object()), value("labelSelector"))) continue;
      if (items.size() == limit) {
        const json& last = items.back()["metadata"];
        metadata["continue"] = last.value("namespace", "") + "/" + last.value("name", "");
        break;
      }
      items.push_back(object);
    }
  }
  return {200, json({{"metadata", metadata}, {"items", items}}).dump(), std::nullopt};
}

HttpAnswer FakeApiServer::write(const HttpRequest& request, const Place& place) {
  const json body = json::parse(request.body);
  const std::string name =
      place.name.empty() ? body["metadata"].value("name", std::string()) : place.name;
  writes_.push_back(request.method + " " + request.path.substr(0, request.path.find('?')) +
                    (place.name.empty() ? " " + name : ""));
  if (request.method == "DELETE") return remove(place, body);
  Place target = place;
  target.name = name;
  const bool there = objects_[place.collection].contains(target.key());
  if (request.method == "POST") {
    return there ? refuse(409, "AlreadyExists", name + " already exists") : create(target, body);
  }
  if (request.method == "PATCH") {
    if (!there) return create(target, body);
    json next = objects_[place.collection][target.key()];
    next.merge_patch(body);
    store(place.collection, target.key(), "MODIFIED", std::move(next));
    return {200, objects_[place.collection][target.key()].dump(), std::nullopt};
  }
  return there ? replace(target, body) : refuse(404, "NotFound", name + " not found");
}

HttpAnswer FakeApiServer::create(const Place& place, json body) {
  body["metadata"]["namespace"] = place.name_space;
  body["metadata"]["uid"] = random_uuid();
  store(place.collection, place.key(), "ADDED", std::move(body));
  return {201, objects_[place.collection][place.key()].dump(), std::nullopt};
}

HttpAnswer FakeApiServer::replace(const Place& place, const json& body) {
  json next = objects_[place.collection][place.key()];
  const json version = body["metadata"].value("resourceVersion", json());
  if (!version.is_null() && version != next["metadata"]["resourceVersion"]) {
    return refuse(409, "Conflict", place.key() + " is another by now");
  }
  if (place.subresource == "status") {
    next["status"] = body.value("status", json::object());
  } else {
    const json uid = next["metadata"]["uid"];
    next = body;
    next["metadata"]["uid"] = uid;
  }
  store(place.collection, place.key(), "MODIFIED", std::move(next));
  return {200, objects_[place.collection][place.key()].dump(), std::nullopt};
}

HttpAnswer FakeApiServer::remove(const Place& place, const json& body) {
  auto& kind = objects_[place.collection];
  const auto found = kind.find(place.key());
  if (found == kind.end()) return refuse(404, "NotFound", place.key() + " not found");
  const json wanted = body.value("preconditions", json::object());
  if (wanted.contains("uid") && wanted["uid"] != found->second["metadata"]["uid"]) {
    return refuse(409, "Conflict", place.key() + " is another by now");
  }
  json gone = found->second;
  store(place.collection, place.key(), "DELETED", std::move(gone));
  kind.erase(place.key());
  return {200, "{}", std::nullopt};
}

void FakeApiServer::store(const std::string& collection, const std::string& key, const char* type,
                          json object) {
  object["metadata"]["resourceVersion"] = std::to_string(++version_);
  events_.push_back({version_, collection, json({{"type", type}, {"object", object}}).dump(),
                     object["metadata"].value("labels", json::object())});
  objects_[collection][key] = std::move(object);
  changed_.notify_all();
}

Result<HttpAnswer> FakeApiServer::stream(const HttpRequest& request,
                                         const std::function<bool(std::string_view)>& line,
                                         std::stop_token stop) {
  const Place place = place_of(request.path);
  int64_t seen = std::stoll(place.query.at("resourceVersion"));
  const auto selector = place.query.find("labelSelector");
  const std::stop_callback wake(stop, [this] {
    const MutexLock lock(mutex_);
    changed_.notify_all();
  });
  {
    const MutexLock lock(mutex_);
    if (fault_) {
      if (auto instead = fault_(request)) return *instead;
    }
  }
  while (!stop.stop_requested()) {
    std::vector<std::string> lines;
    {
      const MutexLock lock(mutex_);
      if (seen < oldest_) return refuse(410, "Expired", "too old resource version");
      for (const Event& event : events_) {
        if (event.version <= seen || event.collection != place.collection) continue;
        if (selector != place.query.end() && !selected(event.labels, selector->second)) continue;
        lines.push_back(event.line);
      }
      seen = version_;
      if (lines.empty()) changed_.wait_for(mutex_, std::chrono::milliseconds(100));
    }
    for (const std::string& each : lines) {
      if (!line(each)) return HttpAnswer{200, "", std::nullopt};
    }
  }
  return fail(ErrorCode::kUnavailable, "stopped");
}

}  // namespace ballast
