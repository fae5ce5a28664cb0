#include "operator/core/checkpoint_list.h"

#include <algorithm>
#include <utility>

#include "operator/core/advance.h"

namespace ballast::decide {
namespace {

constexpr size_t kMaxErrorBytes = 1'000;  // in the status

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
      entry->error = check.error.substr(0, kMaxErrorBytes);
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

bool is_unread(const api::CheckpointStatus& checkpoint) {
  return !checkpoint.verified && !checkpoint.damaged;
}

bool checkpoints_are_open(const api::TrainingJobStatus& status) {
  return !status.deletable.empty() ||
         std::any_of(status.checkpoints.begin(), status.checkpoints.end(), is_unread);
}

// Whoever has had a coordinator has begun.
bool seeks_checkpoint(const Observed& observed, const api::TrainingJobStatus& status) {
  const api::Checkpoint& spec = observed.job.spec.checkpoint;
  return observed.checkpoints_by_servers && spec.resume && !spec.path.empty() && !status.sought &&
         status.term == 0 && !has_outcome(status);
}

void take_found(Draft& draft) {
  if (!draft.observed.found || !seeks_checkpoint(draft.observed, draft.next)) return;
  const FoundCheckpoints& found = *draft.observed.found;
  auto& next = draft.next;
  if (!found.error.empty()) return draft.fail("Refused", "spec.checkpoint.resume: " + found.error);
  next.sought = true;
  next.term = found.highest_term;
  next.deletable = found.incomplete;
  next.checkpoints.clear();
  for (const std::string& directory : found.complete) {
    api::CheckpointStatus entry{directory, directory == found.newest, false};
    for (const CheckpointCheck& check : found.damaged) {
      if (check.directory != directory) continue;
      entry.damaged = true;
      entry.error = check.error.substr(0, kMaxErrorBytes);
    }
    next.checkpoints.push_back(std::move(entry));
  }
  // Where so many are damaged that the list has no room for it.
  const bool listed =
      std::find(found.complete.begin(), found.complete.end(), found.newest) != found.complete.end();
  if (!found.newest.empty() && !listed)
    next.checkpoints.insert(next.checkpoints.begin(), {found.newest, true, false});
  next.restore_from = found.newest;
}

std::string newest_whole(const api::TrainingJobStatus& status) {
  std::string newest;
  for (const api::CheckpointStatus& checkpoint : status.checkpoints) {
    if (checkpoint.verified) newest = checkpoint.directory;
  }
  return newest;
}

bool choose_restore(Draft& draft) {
  auto& next = draft.next;
  if (seeks_checkpoint(draft.observed, next)) return false;
  // What is older than what begins may be read later.
  for (auto entry = next.checkpoints.rbegin(); entry != next.checkpoints.rend(); ++entry) {
    if (is_unread(*entry)) return false;
    if (entry->verified) break;
  }
  next.restore_from = newest_whole(next);
  return true;
}

}  // namespace ballast::decide
