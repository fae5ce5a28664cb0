#include "operator/kube/client.h"

#include <optional>
#include <utility>

#include "common/check.h"

namespace ballast::kube {
namespace {

using nlohmann::json;

// The server ends a watch after this; it must not be forever, or dead ends pile up at it.
constexpr const char* kWatchSeconds = "590";

ApiError error_of(Error error) { return {0, std::move(error), std::nullopt}; }

const char* accepted(const Resource& kind) {
  return shape_of(kind) == nullptr ? "application/json" : kAcceptProtobuf;
}

// Bytes that are no UTF-8 (of messages and paths) are replaced: a request is never lost for them.
std::string text_of(const json& body) {
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

KubeClient::KubeClient(std::shared_ptr<HttpTransport> transport, std::string manager,
                       WantedFields wanted)
    : transport_(std::move(transport)), manager_(std::move(manager)), wanted_(std::move(wanted)) {
  for (const Resource& kind : {kPods, kNodes}) {
    if (const auto mask = wanted_.find(kind.plural); mask != wanted_.end())
      CHECK(covers(*shape_of(kind), mask->second));
  }
}

ApiResult<std::string> KubeClient::ask(const Resource& kind, HttpRequest request,
                                       const std::stop_token& stop) {
  request.accept = accepted(kind);
  auto answer = transport_->send(request, stop);
  if (!answer) return tl::unexpected(error_of(std::move(answer.error())));
  if (answer->status < 200 || answer->status > 299) {
    return tl::unexpected(kube::error_of(*answer));
  }
  return std::move(answer->body);
}

const FieldMask& KubeClient::wanted(const Resource& kind) const {
  static const FieldMask everything;
  const auto found = wanted_.find(kind.plural);
  return found == wanted_.end() ? everything : found->second;
}

ApiResult<Object> KubeClient::ask_for_object(const Resource& kind, HttpRequest request,
                                             const std::stop_token& stop) {
  const auto body = ask(kind, std::move(request), stop);
  if (!body) return tl::unexpected(body.error());
  auto object = parse_object(*body, wanted(kind), shape_of(kind));
  if (!object) return tl::unexpected(error_of(std::move(object.error())));
  return std::move(*object);
}

ApiResult<Object> KubeClient::get(const Resource& kind, const ObjectName& object,
                                  std::stop_token stop) {
  return ask_for_object(kind, {"GET", path_of(kind, object.name_space, object.name), "", ""}, stop);
}

ApiResult<ListAnswer> KubeClient::list(const Resource& kind, const std::string& name_space,
                                       const ListOptions& options, std::stop_token stop) {
  std::string path = path_of(kind, name_space);
  add_query(path, "labelSelector", options.label_selector);
  if (options.limit > 0) add_query(path, "limit", std::to_string(options.limit));
  add_query(path, "continue", options.next);
  const auto body = ask(kind, {"GET", path, "", ""}, stop);
  if (!body) return tl::unexpected(body.error());
  auto list = parse_list(*body, wanted(kind), shape_of(kind));
  if (!list) return tl::unexpected(error_of(std::move(list.error())));
  return std::move(*list);
}

ApiResult<Object> KubeClient::create(const Resource& kind, const std::string& name_space,
                                     const json& body, std::stop_token stop) {
  std::string path = path_of(kind, name_space);
  add_query(path, "fieldManager", manager_);
  return ask_for_object(kind, {"POST", path, text_of(body)}, stop);
}

ApiResult<Object> KubeClient::apply(const Resource& kind, const ObjectName& object,
                                    const json& body, bool force, std::stop_token stop) {
  std::string path = path_of(kind, object.name_space, object.name);
  add_query(path, "fieldManager", manager_);
  add_query(path, "force", force ? "true" : "false");
  // JSON is YAML.
  return ask_for_object(kind, {"PATCH", path, text_of(body), "application/apply-patch+yaml"}, stop);
}

ApiResult<Object> KubeClient::replace(const Resource& kind, const ObjectName& object,
                                      const json& body, const std::string& subresource,
                                      std::stop_token stop) {
  std::string path = path_of(kind, object.name_space, object.name, subresource);
  add_query(path, "fieldManager", manager_);
  return ask_for_object(kind, {"PUT", path, text_of(body)}, stop);
}

ApiResult<Object> KubeClient::merge(const Resource& kind, const ObjectName& object,
                                    const json& patch, const std::string& subresource,
                                    std::stop_token stop) {
  std::string path = path_of(kind, object.name_space, object.name, subresource);
  add_query(path, "fieldManager", manager_);
  return ask_for_object(kind, {"PATCH", path, text_of(patch), "application/merge-patch+json"},
                        stop);
}

ApiResult<void> KubeClient::remove(const Resource& kind, const ObjectName& object,
                                   const RemoveOptions& options, std::stop_token stop) {
  json body = {
      {"apiVersion", "v1"}, {"kind", "DeleteOptions"}, {"propagationPolicy", "Background"}};
  if (!options.uid.empty()) body["preconditions"]["uid"] = options.uid;
  if (!options.resource_version.empty()) {
    body["preconditions"]["resourceVersion"] = options.resource_version;
  }
  if (options.grace_seconds) body["gracePeriodSeconds"] = *options.grace_seconds;
  const auto done =
      ask(kind, {"DELETE", path_of(kind, object.name_space, object.name), text_of(body)}, stop);
  if (!done) return tl::unexpected(done.error());
  return {};
}

ApiResult<void> KubeClient::watch(const Resource& kind, const std::string& name_space,
                                  const std::string& label_selector, const std::string& version,
                                  const std::function<bool(WatchFrame)>& frame,
                                  std::stop_token stop) {
  std::string path = path_of(kind, name_space);
  add_query(path, "watch", "true");
  add_query(path, "allowWatchBookmarks", "true");
  add_query(path, "timeoutSeconds", kWatchSeconds);
  add_query(path, "resourceVersion", version);
  add_query(path, "labelSelector", label_selector);
  std::optional<Error> unreadable;
  const WireShape* shape = shape_of(kind);
  const auto on_frame = [&](std::string_view text) {
    auto parsed = parse_frame(text, wanted(kind), shape);
    if (!parsed) {
      unreadable = std::move(parsed.error());
      return false;
    }
    return frame(std::move(*parsed));
  };
  HttpRequest request{"GET", path, "", ""};
  request.accept = accepted(kind);
  auto answer = transport_->stream(request, on_frame, stop);
  if (unreadable) return tl::unexpected(error_of(std::move(*unreadable)));
  if (!answer) return tl::unexpected(error_of(std::move(answer.error())));
  if (answer->status != 200) return tl::unexpected(kube::error_of(*answer));
  return {};
}

}  // namespace ballast::kube
