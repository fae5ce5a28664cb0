#include "operator/core/checkpoint_list.h"

#include <algorithm>

namespace ballast::decide {
namespace {

class List {
 public:
  explicit List(Draft& draft) : draft_(draft), next_(draft.next) {}

  void update() {
    add_reported();
    note_checks();
    drop_surplus();
    for (const std::string& directory : draft_.observed.abandoned) {
      if (!is_deletable(directory) && find(directory) == next_.checkpoints.end())
        next_.deletable.push_back(directory);
    }
    for (const std::string& directory : draft_.observed.deleted) {
      std::erase(next_.deletable, directory);
    }
  }

 private:
  std::vector<api::CheckpointStatus>::iterator find(const std::string& directory) {
    return std::find_if(next_.checkpoints.begin(), next_.checkpoints.end(),
                        [&](const auto& entry) { return entry.directory == directory; });
  }

  bool is_deletable(const std::string& directory) const {
    return std::find(next_.deletable.begin(), next_.deletable.end(), directory) !=
           next_.deletable.end();
  }

  void add_reported() {
    if (!draft_.report_counts()) return;
    const std::string& reported = draft_.observed.report->checkpoint;
    if (!reported.empty() && find(reported) == next_.checkpoints.end() && !is_deletable(reported) &&
        reported != next_.progress.last_checkpoint) {
      next_.checkpoints.push_back({reported, false, false});
    }
  }

  void note_checks() {
    for (const CheckpointCheck& check : draft_.observed.checked) {
      const auto entry = find(check.directory);
      if (entry == next_.checkpoints.end()) continue;
      entry->verified = check.error.empty();
      entry->damaged = !check.error.empty();
    }
  }

  void drop_surplus() {
    auto whole = std::count_if(next_.checkpoints.begin(), next_.checkpoints.end(),
                               [](const auto& entry) { return entry.verified; });
    std::erase_if(next_.checkpoints, [&](const api::CheckpointStatus& entry) {
      const bool surplus = whole > draft_.observed.job.spec.checkpoint.keep && entry.verified;
      if (!surplus || entry.directory == next_.restore_from) return false;
      --whole;
      next_.deletable.push_back(entry.directory);
      return true;
    });
  }

  Draft& draft_;
  api::TrainingJobStatus& next_;
};

}  // namespace

void list_checkpoints(Draft& draft) { List(draft).update(); }

}  // namespace ballast::decide
