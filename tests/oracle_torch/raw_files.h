// Arrays that pass between a C++ program and its peer in Python: raw little-endian files in one
// folder, <name>.f32 and <name>.u32. What is wrong ends the program with a sentence.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "common/file.h"

namespace ballast::oracle {

[[noreturn]] inline void give_up(const std::string& sentence) {
  std::fprintf(stderr, "%s\n", sentence.c_str());
  std::exit(1);
}

class RawFiles {
 public:
  explicit RawFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}

  std::vector<float> floats(const std::string& name, size_t count) const {
    return read<float>(name + ".f32", count);
  }
  std::vector<uint32_t> numbers(const std::string& name, size_t count) const {
    return read<uint32_t>(name + ".u32", count);
  }
  void write(const std::string& name, const std::vector<float>& values) const {
    const auto* bytes = reinterpret_cast<const char*>(values.data());
    const auto written =
        write_file_atomically(folder_ / (name + ".f32"), {bytes, values.size() * sizeof(float)});
    if (!written) give_up(written.error().message);
  }

 private:
  template <typename Value>
  std::vector<Value> read(const std::string& file, size_t count) const {
    const auto bytes = read_file(folder_ / file, uint64_t{1} << 30);
    if (!bytes) give_up(bytes.error().message);
    if (bytes->size() != count * sizeof(Value)) {
      give_up(file + " has " + std::to_string(bytes->size()) + " bytes, expected " +
              std::to_string(count * sizeof(Value)));
    }
    std::vector<Value> values(count);
    std::memcpy(values.data(), bytes->data(), bytes->size());
    return values;
  }

  std::filesystem::path folder_;
};

}  // namespace ballast::oracle
