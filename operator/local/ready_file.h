// What a process says of itself once it listens. Pure parsing of a file that another program wrote.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "common/error.h"

namespace ballast::local {

struct ReadyFile {
  std::string name;
  uint64_t incarnation = 0;
  std::string address;          // workers: empty
  std::string metrics_address;  // HOST:PORT
  int64_t pid = 0;

  bool operator==(const ReadyFile&) const = default;
};

// kNotFound: not there yet. kCorrupt names the file and the field.
Result<ReadyFile> read_ready_file(const std::filesystem::path& path,
                                  const std::string& expected_name);

}  // namespace ballast::local
