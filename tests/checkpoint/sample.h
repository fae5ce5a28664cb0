// A small job's parameters and states, and checkpoints of them written by any number of servers.
// The values are a function of (array, element), so that every test can tell what a file must hold.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "common/check.h"
#include "services/checkpoint/checkpoint.h"
#include "services/checkpoint/manifest.h"
#include "services/checkpoint/part.h"
#include "services/core/layout.h"
#include "services/storage/file_system.h"

namespace ballast {

inline float sample_value(size_t array, uint64_t element) {
  return static_cast<float>(static_cast<double>(element % 9973) * 0.125 - 300.0 +
                            static_cast<double>(array) * 1e6);
}

struct Sample {
  Layout layout;
  Segments segments;
  std::vector<std::string> states;
  std::vector<std::vector<float>> arrays;  // parameters, then each state
  std::string job_config = R"({"name":"tiny"})";

  explicit Sample(uint32_t segment_elements = 64,
                  std::vector<std::string> state_names = {"first_moment", "second_moment"})
      : states(std::move(state_names)) {
    layout = *make_layout({{"wte", {11, 7}, ParameterGroup::kDecay, 0, 0},
                           {"ln.bias", {5}, ParameterGroup::kNoDecay, 0, 0},
                           {"h.0.weight", {3, 40}, ParameterGroup::kDecay, 0, 0}});
    segments = {layout.elements, segment_elements};
    arrays.resize(1 + states.size());
    for (size_t array = 0; array < arrays.size(); ++array) {
      for (uint64_t i = 0; i < layout.elements; ++i)
        arrays[array].push_back(sample_value(array, i));
    }
  }

  SegmentArrays segment(SegmentId id) const {
    SegmentArrays out{id, {}};
    for (const auto& array : arrays) {
      out.arrays.push_back(std::span(array).subspan(segments.begin(id), segments.size(id)));
    }
    return out;
  }

  PartHeader header(const CheckpointId& id) const {
    return {id, 1, "uid-1", layout_hash(layout), segments};
  }

  Manifest manifest(const CheckpointId& id) const {
    Manifest out;
    out.id = id;
    out.origin = 1;
    out.job_name = "tiny";
    out.job_uid = "uid-1";
    out.job_config = job_config;
    out.seed = 1337;
    out.data_fingerprint = "0123456789abcdef0123456789abcdef";
    out.numerics_fingerprint = "gcc 12 / avx2 / onednn";
    out.optimizer = "adamw";
    out.states = states;
    out.applied_steps = id.step;
    out.skipped_in_a_row = 2;
    out.segment_elements = segments.segment_elements;
    out.layout = layout;
    return out;
  }

  // The segments of each server, dealt out in turns.
  std::vector<std::vector<SegmentArrays>> deal(uint32_t servers) const {
    std::vector<std::vector<SegmentArrays>> dealt(servers);
    for (SegmentId id = 0; id < segments.count(); ++id) dealt[id % servers].push_back(segment(id));
    return dealt;
  }

  // As servers and then a coordinator do it.
  Result<std::filesystem::path> write(FileSystem& files, const std::filesystem::path& folder,
                                      const CheckpointId& id, uint32_t servers) const {
    const auto directory = folder / directory_name(id);
    Manifest out = manifest(id);
    const auto dealt = deal(servers);
    for (uint32_t server = 0; server < servers; ++server) {
      auto part = write_part(files, directory, part_file_name(server, servers), header(id), states,
                             dealt[server]);
      if (!part) return tl::unexpected<Error>(part.error());
      out.parts.push_back(*part);
    }
    if (auto done = write_manifest(files, directory, out); !done) {
      return tl::unexpected<Error>(done.error());
    }
    return directory;
  }
};

}  // namespace ballast
