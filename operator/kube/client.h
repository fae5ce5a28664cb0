// Typed requests to an API server: one call, one request, no retries (queues and machines retry).
// May be used from any thread; calls block, and end early when stopped.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "operator/kube/answers.h"
#include "operator/kube/http.h"
#include "operator/kube/resource.h"

namespace ballast::kube {

// Of which object, where a kind has no namespace it is empty.
struct ObjectName {
  std::string name_space;
  std::string name;
};

struct ListOptions {
  std::string label_selector;
  int64_t limit = 0;  // 0: all
  std::string next;   // continue token
};

struct RemoveOptions {
  // Only if the object still is this one; empty: whatever it is.
  std::string uid;
  std::string resource_version;
  // Of a pod: how long it may take to end. 0: it is gone at once, whatever becomes of its
  // containers. Nothing: as its spec says.
  std::optional<int64_t> grace_seconds = std::nullopt;
};

// What is read of a kind's objects, by its plural; of other kinds everything is. Of pods and nodes
// never more than shape_of() knows: they are for reading, and not for replacing.
using WantedFields = std::map<std::string, FieldMask, std::less<>>;

class KubeClient {
 public:
  // `manager`: the name of ours under which fields are kept by server-side apply. CHECKs that what
  // is wanted of a kind that comes as protobuf has a place in its table.
  KubeClient(std::shared_ptr<HttpTransport> transport, std::string manager,
             WantedFields wanted = {});

  ApiResult<Object> get(const Resource& kind, const ObjectName& object, std::stop_token stop = {});
  // `name_space` empty: of all.
  ApiResult<ListAnswer> list(const Resource& kind, const std::string& name_space,
                             const ListOptions& options = {}, std::stop_token stop = {});
  ApiResult<Object> create(const Resource& kind, const std::string& name_space,
                           const nlohmann::json& body, std::stop_token stop = {});
  // Server-side apply: makes it, or makes our fields so. `force`: takes fields from others.
  ApiResult<Object> apply(const Resource& kind, const ObjectName& object,
                          const nlohmann::json& body, bool force, std::stop_token stop = {});
  // Compare-and-swap: the body carries the resourceVersion that it was made from.
  // `subresource`: "status", or empty.
  ApiResult<Object> replace(const Resource& kind, const ObjectName& object,
                            const nlohmann::json& body, const std::string& subresource = {},
                            std::stop_token stop = {});
  // A JSON merge patch.
  ApiResult<Object> merge(const Resource& kind, const ObjectName& object,
                          const nlohmann::json& patch, const std::string& subresource = {},
                          std::stop_token stop = {});
  ApiResult<void> remove(const Resource& kind, const ObjectName& object,
                         const RemoveOptions& options = {}, std::stop_token stop = {});
  // Gives each frame, on this thread, until the stream ends, `frame` returns false, or one cannot
  // be read.
  ApiResult<void> watch(const Resource& kind, const std::string& name_space,
                        const std::string& label_selector, const std::string& version,
                        const std::function<bool(WatchFrame)>& frame, std::stop_token stop = {});

 private:
  ApiResult<std::string> ask(const Resource& kind, HttpRequest request,
                             const std::stop_token& stop);
  ApiResult<Object> ask_for_object(const Resource& kind, HttpRequest request,
                                   const std::stop_token& stop);
  const FieldMask& wanted(const Resource& kind) const;

  const std::shared_ptr<HttpTransport> transport_;
  const std::string manager_;
  const WantedFields wanted_;
};

}  // namespace ballast::kube
