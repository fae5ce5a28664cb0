// An API server in memory, behind the seam of HTTP: objects with versions, lists in pages, watches,
// compare-and-swap, deletes with preconditions; and faults by request, before or after its effect.
// Any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/mutex.h"
#include "operator/kube/http.h"

namespace ballast {

class FakeApiServer : public kube::HttpTransport {
 public:
  using Fault = std::function<std::optional<Result<kube::HttpAnswer>>(const kube::HttpRequest&)>;

  Result<kube::HttpAnswer> send(const kube::HttpRequest& request, std::stop_token stop) override;
  Result<kube::HttpAnswer> stream(const kube::HttpRequest& request,
                                  const std::function<bool(std::string_view)>& line,
                                  std::stop_token stop) override;

  // What is answered instead of doing it; nothing: it is done.
  void set_fault(Fault fault);
  // What is answered instead of the truth after it was done.
  void set_lost_answer(Fault fault);
  // Ends every open watch, and forgets what happened before: who comes back with an older version
  // is told 410.
  void forget_history();

  // As a user or a kubelet would do it. Paths as requests have them.
  void put(const std::string& collection, nlohmann::json object);
  void set_status(const std::string& path, const nlohmann::json& status);
  void erase(const std::string& path);
  std::optional<nlohmann::json> find(const std::string& path) const;
  std::vector<std::string> names(const std::string& collection) const;
  // "POST /api/v1/namespaces/n/pods name", in the order in which they were done.
  std::vector<std::string> writes() const;

 private:
  struct Event {
    int64_t version = 0;
    std::string collection;
    std::string line;
    nlohmann::json labels;
  };
  struct Place;
  static Place place_of(const std::string& path);

  kube::HttpAnswer perform(const kube::HttpRequest& request);
  kube::HttpAnswer list(const Place& place) const BALLAST_REQUIRES(mutex_);
  kube::HttpAnswer write(const kube::HttpRequest& request, const Place& place)
      BALLAST_REQUIRES(mutex_);
  kube::HttpAnswer create(const Place& place, nlohmann::json body) BALLAST_REQUIRES(mutex_);
  kube::HttpAnswer replace(const Place& place, const nlohmann::json& body) BALLAST_REQUIRES(mutex_);
  kube::HttpAnswer remove(const Place& place, const nlohmann::json& body) BALLAST_REQUIRES(mutex_);
  void store(const std::string& collection, const std::string& key, const char* type,
             nlohmann::json object) BALLAST_REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  int64_t version_ BALLAST_GUARDED_BY(mutex_) = 100;
  int64_t oldest_ BALLAST_GUARDED_BY(mutex_) = 0;
  // By "plural", then by "namespace/name".
  std::map<std::string, std::map<std::string, nlohmann::json>> objects_ BALLAST_GUARDED_BY(mutex_);
  std::vector<Event> events_ BALLAST_GUARDED_BY(mutex_);
  std::vector<std::string> writes_ BALLAST_GUARDED_BY(mutex_);
  Fault fault_ BALLAST_GUARDED_BY(mutex_);
  Fault lost_answer_ BALLAST_GUARDED_BY(mutex_);
};

}  // namespace ballast
