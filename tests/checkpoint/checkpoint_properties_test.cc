// Laws of checkpoints for any layout, cut, distribution and damage.
#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "services/checkpoint/checkpoint.h"
#include "services/checkpoint/safetensors.h"
#include "tests/storage/faulty_file_system.h"
#include "tests/storage/files.h"

namespace ballast {
namespace {

struct Drawn {
  Manifest manifest;
  std::vector<std::vector<float>> arrays;    // parameters and states, of the arena
  std::vector<std::vector<SegmentId>> held;  // by server
};

Drawn draw_checkpoint() {
  Drawn drawn;
  std::vector<Tensor> tensors;
  const auto tensor_count = *rc::gen::inRange<size_t>(1, 5);
  for (size_t i = 0; i < tensor_count; ++i) {
    const auto shape = *rc::gen::container<std::vector<uint64_t>>(*rc::gen::inRange<size_t>(1, 4),
                                                                  rc::gen::inRange<uint64_t>(1, 7));
    const auto group = *rc::gen::element(ParameterGroup::kDecay, ParameterGroup::kNoDecay);
    tensors.push_back({"t" + std::to_string(i), shape, group, 0, 0});
  }
  drawn.manifest.layout = *make_layout(std::move(tensors));
  drawn.manifest.segment_elements = *rc::gen::inRange<uint32_t>(1, 100);
  drawn.manifest.id = {*rc::gen::arbitrary<Step>(), *rc::gen::arbitrary<Term>(),
                       *rc::gen::arbitrary<uint32_t>()};
  drawn.manifest.seed = *rc::gen::arbitrary<uint64_t>();
  drawn.manifest.job_name = *rc::gen::string<std::string>();
  for (char& c : drawn.manifest.job_name) c = static_cast<char>(c & 0x7f);  // UTF-8
  drawn.manifest.job_uid = "uid";
  drawn.manifest.states =
      *rc::gen::elementOf(std::vector<std::vector<std::string>>{{}, {"m"}, {"m", "v"}});
  const uint64_t elements = drawn.manifest.layout.elements;
  // Any bits: infinities, NaN, subnormals.
  const auto words = *rc::gen::container<std::vector<uint32_t>>(
      elements * (1 + drawn.manifest.states.size()), rc::gen::arbitrary<uint32_t>());
  for (size_t array = 0; array <= drawn.manifest.states.size(); ++array) {
    drawn.arrays.emplace_back(elements);
    std::memcpy(drawn.arrays.back().data(), words.data() + array * elements, elements * 4);
  }
  const Segments segments{elements, drawn.manifest.segment_elements};
  drawn.held.resize(*rc::gen::inRange<size_t>(1, 5));
  for (SegmentId id = 0; id < segments.count(); ++id) {
    drawn.held[*rc::gen::inRange<size_t>(0, drawn.held.size())].push_back(id);
  }
  return drawn;
}

std::filesystem::path write(const std::filesystem::path& folder, Drawn& drawn) {
  FaultyFileSystem files;  // breaks nothing here, and does not wait for the disk
  auto directory = folder / directory_name(drawn.manifest.id);
  const Segments segments{drawn.manifest.layout.elements, drawn.manifest.segment_elements};
  const PartHeader header{drawn.manifest.id, drawn.manifest.origin, drawn.manifest.job_uid,
                          layout_hash(drawn.manifest.layout), segments};
  for (uint32_t server = 0; server < drawn.held.size(); ++server) {
    std::vector<SegmentArrays> held;
    for (const SegmentId id : drawn.held[server]) {
      held.push_back({id, {}});
      for (const auto& array : drawn.arrays) {
        held.back().arrays.push_back(
            std::span(array).subspan(segments.begin(id), segments.size(id)));
      }
    }
    const auto part = write_part(files, directory, "part-" + std::to_string(server), header,
                                 drawn.manifest.states, held);
    RC_ASSERT(part.has_value());
    drawn.manifest.parts.push_back(*part);
  }
  RC_ASSERT(write_manifest(files, directory, drawn.manifest).has_value());
  return directory;
}

RC_GTEST_PROP(CheckpointProperty, RestoresEveryBit, ()) {
  const TemporaryFolder folder;
  Drawn drawn = draw_checkpoint();
  const auto checkpoint = Checkpoint::open(write(folder.path(), drawn));
  RC_ASSERT(checkpoint.has_value());
  RC_ASSERT(checkpoint->manifest() == drawn.manifest);
  const Segments segments = checkpoint->segments();
  for (SegmentId id = 0; id < segments.count(); ++id) {
    for (size_t array = 0; array < drawn.arrays.size(); ++array) {
      const std::string state = array == 0 ? "parameters" : drawn.manifest.states[array - 1];
      const auto values = checkpoint->array(id, state);
      RC_ASSERT(values.has_value());
      RC_ASSERT(values->size() == segments.size(id));
      RC_ASSERT(std::memcmp(values->data(), drawn.arrays[array].data() + segments.begin(id),
                            values->size_bytes()) == 0);
    }
  }
}

RC_GTEST_PROP(CheckpointProperty, AnyDamageToAnyFileIsFound, ()) {
  const TemporaryFolder folder;
  Drawn drawn = draw_checkpoint();
  const auto directory = write(folder.path(), drawn);
  std::vector<std::filesystem::path> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.push_back(entry.path());
  }
  std::sort(names.begin(), names.end());
  const auto name = *rc::gen::elementOf(names);
  const std::string good = read_text(name);
  std::string bad = good;
  const auto kind = *rc::gen::inRange(0, 3);
  if (kind == 0) bad.resize(*rc::gen::inRange<size_t>(0, good.size()));
  if (kind == 1) bad += *rc::gen::nonEmpty(rc::gen::arbitrary<std::string>());
  if (kind == 2) {
    const auto bit = *rc::gen::inRange<size_t>(0, good.size() * 8);
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
  }
  replace_text(name, bad);
  RC_ASSERT(!verify_checkpoint(directory).has_value());
  replace_text(name, good);
  RC_ASSERT(verify_checkpoint(directory).has_value());
}

RC_GTEST_PROP(SafetensorsProperty, ReadsWhatWasWritten, ()) {
  const TemporaryFolder folder;
  FaultyFileSystem files;  // breaks nothing here, and does not wait for the disk
  const auto names = *rc::gen::unique<std::vector<uint16_t>>(rc::gen::arbitrary<uint16_t>());
  std::vector<SafetensorsEntry> entries;
  std::vector<std::string> contents;
  for (const auto name : names) {
    SafetensorsEntry entry;
    entry.name = std::to_string(name);
    entry.dtype = *rc::gen::element(DType::kBool, DType::kU8, DType::kI16, DType::kBF16,
                                    DType::kF32, DType::kU64, DType::kF64);
    entry.shape = *rc::gen::container<std::vector<uint64_t>>(*rc::gen::inRange<size_t>(0, 4),
                                                             rc::gen::inRange<uint64_t>(0, 5));
    contents.push_back(
        *rc::gen::container<std::string>(*data_bytes(entry), rc::gen::arbitrary<char>()));
    entries.push_back(std::move(entry));
  }
  auto writer = SafetensorsWriter::create(files, folder / "s", entries, {});
  RC_ASSERT(writer.has_value());
  for (const auto& content : contents) RC_ASSERT(writer->append(as_bytes(content)).has_value());
  RC_ASSERT(writer->finish(AtomicFile::IfExists::kFail).has_value());
  const auto reader = SafetensorsReader::open(folder / "s");
  RC_ASSERT(reader.has_value());
  RC_ASSERT(reader->entries().size() == entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    const auto data = reader->data(entries[i].name);
    RC_ASSERT(data.has_value());
    RC_ASSERT(to_hex(*data) == to_hex(as_bytes(contents[i])));
  }
}

RC_GTEST_PROP(SafetensorsProperty, AnyBytesAreAnErrorOrAValidFile, ()) {
  const TemporaryFolder folder;
  // Pieces of real headers in any order, so that the parser gets far.
  const auto pieces = *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
      "{", "}", "[", "]", ",", ":", "\"a\"", "\"b\"", "\"dtype\"", "\"F32\"", "\"shape\"",
      "\"data_offsets\"", "0", "4", "8", "-1", "1e3", "18446744073709551615", "null",
      "\"__metadata__\"", "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}",
      "\"b\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[8,9]}", " ", "\xff"));
  std::string header = "{";
  for (const auto& piece : pieces) header += piece;
  header += *rc::gen::element<std::string>("", "}", "}}");
  const uint64_t length = header.size();
  write_text(folder / "s", std::string(reinterpret_cast<const char*>(&length), 8) + header +
                               *rc::gen::arbitrary<std::string>());
  const auto reader = SafetensorsReader::open(folder / "s");
  if (!reader) RC_ASSERT(reader.error().code == ErrorCode::kCorrupt);
  if (reader) {
    for (const auto& entry : reader->entries()) RC_ASSERT(reader->data(entry.name).has_value());
  }
}

}  // namespace
}  // namespace ballast
