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

CapturedPart capture_part(const SaveCheckpointPart& effect, const std::string& job_uid,
                          const std::string& server, const TensorStore& store) {
  const WriteCheckpoint& order = effect.order;
  CapturedPart part{
      .effect = effect,
      .header = {.id = {.step = order.version, .term = order.term, .attempt = order.attempt},
                 .origin = effect.origin,
                 .job_uid = job_uid,
                 .layout_hash = store.identity().layout_hash,
                 .segments = store.segments()},
      .states = names_of_states(store.training().optimizer),
      .file = server + ".safetensors",
      .arrays = {}};
  for (SegmentId segment : order.segments) part.arrays.push_back(store.capture(segment));
  return part;
}

CheckpointWritten write_part(CapturedPart& part) {
  const WriteCheckpoint& order = part.effect.order;
  CheckpointWritten answer{.term = order.term,
                           .version = order.version,
                           .attempt = order.attempt,
                           .part = {},
                           .error = {}};
  const auto failed = [&answer](std::string error) {
    answer.error = std::move(error);
    return answer;
  };
  RealFileSystem files;
  Result<PartWriter> writer = PartWriter::create(files, order.directory, part.file, part.header,
                                                 order.segments, part.states);
  if (!writer) return failed(writer.error().message);
  for (size_t i = 0; i < order.segments.size(); ++i) {
    const std::vector<OutgoingPayload> held = std::move(part.arrays[i]);
    if (held.empty()) return failed(fmt::format("segment {} is not held", order.segments[i]));
    std::vector<std::span<const float>> arrays;
    for (const OutgoingPayload& array : held) arrays.push_back(array.values);
    if (auto done = writer->append(arrays); !done) return failed(done.error().message);
  }
  const Result<PartInfo> written = writer->finish();
  if (!written) return failed(written.error().message);
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

OpenedCheckpoint open_checkpoint(const OpenCheckpoint& effect) {
  OpenedCheckpoint opened{
      .event = {.directory = effect.directory, .segments = effect.segments, .error = {}},
      .checkpoint = nullptr};
  auto checkpoint = Checkpoint::open(effect.directory, true, effect.segments);
  if (checkpoint) {
    opened.checkpoint = std::make_shared<const Checkpoint>(std::move(*checkpoint));
  } else {
    opened.event.error = checkpoint.error().message;
  }
  return opened;
}

void restore_segments(const RestoreSegments& effect, const Checkpoint& checkpoint,
                      TensorStore& store) {
  const std::vector<std::string>& states = checkpoint.manifest().states;
  for (SegmentId segment : effect.segments) {
    std::vector<std::span<const float>> arrays;
    arrays.push_back(checkpoint.array(segment, kParametersState).value());
    for (const std::string& state : states) {
      arrays.push_back(checkpoint.array(segment, state).value());
    }
    store.restore(segment, arrays);
  }
}

ManifestRead read_manifest_for(const ReadManifest& effect) {
  ManifestRead answer;
  answer.directory = effect.directory;
  const std::string_view optimizer = optimizer_info(effect.training.optimizer.kind).name;
  const Result<Manifest> manifest = read_manifest(effect.directory);
  if (!manifest) {
    answer.error = manifest.error().message;
  } else if (manifest->segment_elements != effect.training.segment_elements) {
    answer.error = fmt::format("it has segments of {} elements, spec.servers.segmentElements is {}",
                               manifest->segment_elements, effect.training.segment_elements);
  } else if (manifest->states != names_of_states(effect.training.optimizer) ||
             manifest->optimizer != optimizer) {
    answer.error = fmt::format("it was written with the optimizer {}, the job has {}",
                               manifest->optimizer, optimizer);
  } else {
    answer.identity = {.layout = manifest->layout,
                       .layout_hash = layout_hash(manifest->layout),
                       .data_fingerprint = manifest->data_fingerprint,
                       .numerics_fingerprint = manifest->numerics_fingerprint,
                       .tokenizer_files = {}};
    for (const FileInfo& file : manifest->tokenizer_files) {
      Result<std::string> content = read_small_file(effect.directory, file);
      if (!content) {
        answer.error = content.error().message;
        return answer;
      }
      answer.identity.tokenizer_files.push_back({file.file, std::move(*content)});
    }
    answer.version = manifest->id.step;
    answer.applied_steps = manifest->applied_steps;
    answer.skipped_in_a_row = manifest->skipped_in_a_row;
  }
  return answer;
}

}  // namespace ballast
