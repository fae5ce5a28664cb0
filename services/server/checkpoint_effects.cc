#include "services/server/checkpoint_effects.h"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "services/checkpoint/checkpoint.h"
#include "services/checkpoint/small_file.h"
#include "services/storage/file_system.h"

namespace ballast {
namespace {

std::vector<std::string> names_of_states(const OptimizerSettings& settings) {
  const auto& states = optimizer_info(settings.kind).states;
  return {states.begin(), states.end()};
}

}  // namespace

CheckpointWritten save_part(const SaveCheckpointPart& effect, const std::string& job_uid,
                            const std::string& server, const TensorStore& store) {
  const WriteCheckpoint& order = effect.order;
  CheckpointWritten answer{.term = order.term,
                           .version = order.version,
                           .attempt = order.attempt,
                           .part = {},
                           .error = {}};
  std::vector<SegmentArrays> held;
  for (SegmentId segment : order.segments) {
    SegmentArrays& made = held.emplace_back(SegmentArrays{segment, store.arrays(segment)});
    if (made.arrays.empty()) {
      answer.error = fmt::format("{} does not hold segment {}", server, segment);
      return answer;
    }
  }
  const PartHeader header{
      .id = {.step = order.version, .term = order.term, .attempt = order.attempt},
      .origin = effect.origin,
      .job_uid = job_uid,
      .layout_hash = store.identity().layout_hash,
      .segments = store.segments()};
  RealFileSystem files;
  const std::vector<std::string> states = names_of_states(store.training().optimizer);
  Result<PartInfo> written =
      write_part(files, order.directory, server + ".safetensors", header, states, held);
  if (!written) {
    answer.error = written.error().message;
    return answer;
  }
  answer.part = CheckpointPart{.first_segment = order.segments.empty() ? 0 : order.segments.front(),
                               .segments = order.segments,
                               .file = written->file,
                               .bytes = written->bytes,
                               .checksum = written->checksum};
  return answer;
}

ManifestWritten save_manifest(const SaveManifest& effect, const std::string& job_uid) {
  Manifest manifest;
  manifest.id = {.step = effect.version, .term = effect.term, .attempt = effect.attempt};
  manifest.origin = effect.origin;
  manifest.job_name = effect.training.job_name;
  manifest.job_uid = job_uid;
  manifest.job_config = effect.training.job_config;
  manifest.seed = effect.training.seed;
  manifest.data_fingerprint = effect.identity.data_fingerprint;
  manifest.numerics_fingerprint = effect.identity.numerics_fingerprint;
  manifest.optimizer = optimizer_info(effect.training.optimizer.kind).name;
  manifest.states = names_of_states(effect.training.optimizer);
  manifest.applied_steps = effect.last ? effect.last->applied_steps : 0;
  manifest.skipped_in_a_row = effect.last ? effect.last->skipped_in_a_row : 0;
  manifest.segment_elements = effect.training.segment_elements;
  manifest.layout = effect.identity.layout;
  for (const CheckpointPart& part : effect.parts) {
    manifest.parts.push_back({.file = part.file,
                              .bytes = part.bytes,
                              .checksum = part.checksum,
                              .segments = part.segments});
  }
  RealFileSystem files;
  for (const NamedFile& file : effect.identity.tokenizer_files) {
    const auto written = write_small_file(files, effect.directory, file.name, file.content);
    if (!written) return {.directory = effect.directory, .error = written.error().message};
    manifest.tokenizer_files.push_back(*written);
  }
  const Result<void> written = write_manifest(files, effect.directory, manifest);
  return {.directory = effect.directory,
          .error = written ? std::string() : written.error().message};
}

}  // namespace ballast
