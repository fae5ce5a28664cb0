// What a folder of checkpoints means to a job: where it may go on, what was begun there and will
// never be complete, and which folders are its own to delete. The same for `ballast run` and for
// servers that are asked by an operator. Reads files; any thread.
#pragma once

#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "services/checkpoint/checkpoint.h"

namespace ballast {

// What lower terms began beside a complete checkpoint, or its own term before it: nobody goes on
// writing it.
std::vector<std::string> abandoned_before(const std::filesystem::path& complete);

// kDenied, naming it, unless `directory` has the name of a checkpoint, lies directly in `folder`,
// and is no link to elsewhere. It need not exist.
Result<void> check_belongs(const std::filesystem::path& folder,
                           const std::filesystem::path& directory);

// As remove_checkpoint; one that is there no more is removed, too.
Result<void> remove_if_there(const std::filesystem::path& directory);

struct CheckpointHistory {
  std::vector<std::string> complete;       // ascending
  std::vector<std::string> incomplete;     // ascending
  std::string newest;                      // that is whole; empty: none is
  std::vector<DamagedCheckpoint> damaged;  // newer than it
  Term highest_term = 0;                   // of all
};

// Of a job that would go on there. `job_config` is JobConfig as protobuf JSON. kInvalid names the
// field of spec.model in which the newest whole checkpoint is of another model, which may have
// parameters of the same shapes. A folder that does not exist has no history. kUnavailable: told to
// stop. `patience`, and what cannot be read: as of newest_whole_checkpoint.
Result<CheckpointHistory> read_history(const std::filesystem::path& folder,
                                       std::string_view job_config,
                                       const std::stop_token& stop = {},
                                       const Patience& patience = {});

}  // namespace ballast
