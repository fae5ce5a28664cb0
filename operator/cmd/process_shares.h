// What part each living process of a run has in it, of looks at their metrics: microbatches of a
// step, primary segments, how busy, how much memory. Pure: times are passed in. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "operator/scrape/exposition.h"

namespace ballast::cmd {

class ProcessShares {
 public:
  // `answers`: targets are "worker-0.2", the second life of worker-0; also of those that have
  // ended. `lives`: whether a process of this name is there now.
  void look(const std::vector<scrape::Answer>& answers,
            const std::function<bool(const std::string&)>& lives, int64_t now_ms);

  // {"worker-0":{"microbatches":4,"busy":0.8,"bytes":1048576},"ps-0":{"primaries":7,...}}
  const nlohmann::json& json() const { return json_; }

 private:
  struct Busy {
    std::string target;
    double seconds = 0;  // counted
    int64_t at_ms = 0;
  };
  void put_busy(nlohmann::json& process, const std::string& name, const scrape::Answer& answer,
                int64_t now_ms);

  std::map<std::string, Busy> busy_;
  nlohmann::json json_ = nlohmann::json::object();
};

}  // namespace ballast::cmd
