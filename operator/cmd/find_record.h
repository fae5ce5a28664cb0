// Where the record of a run lies, by what people know of the run. Reads folders; one thread.
#pragma once

#include <filesystem>
#include <string>

#include "common/error.h"

namespace ballast::cmd {

inline constexpr const char* kRecordFolder = "record";  // in the folder of a run's checkpoints

struct FoundRecord {
  std::filesystem::path folder;
  bool held = false;  // by a run that goes on
};

// `run`: the name of a job or its file; the folder of a run, of its checkpoints, or of the
// checkpoints of all runs of a job, of which the latest counts. kNotFound says where it was looked
// for.
Result<FoundRecord> find_record(const std::string& run);

}  // namespace ballast::cmd
