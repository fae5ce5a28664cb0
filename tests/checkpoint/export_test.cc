// An exported directory: names, shapes and values of its tensors, and whole or absent.
#include "services/checkpoint/export.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "services/checkpoint/safetensors.h"
#include "tests/storage/faulty_file_system.h"
#include "tests/storage/files.h"

namespace ballast {
namespace {

using ::testing::HasSubstr;

class Export : public testing::Test {
 protected:
  Export() {
    layout_ = make_layout({{.name = "wte.weight",
                            .shape = {3, 7},
                            .group = ParameterGroup::kDecay,
                            .offset = 0,
                            .elements = 0},
                           {.name = "ln_f.bias",
                            .shape = {7},
                            .group = ParameterGroup::kNoDecay,
                            .offset = 0,
                            .elements = 0}})
                  .value();
    for (uint64_t i = 0; i < layout_.elements; ++i) arena_.push_back(static_cast<float>(i));
    model_ = {.layers = 2,
              .heads = 7,
              .channels = 7,
              .context = 5,
              .vocabulary = 3,
              .document_separator = 2,
              .layout = &layout_,
              .parameters = arena_,
              .files = {{"tokenizer.json", "{}\n"}}};
  }
  TemporaryFolder folder_;
  RealFileSystem files_;
  Layout layout_;
  std::vector<float> arena_;
  ExportedModel model_;
};

TEST_F(Export, HasTheTensorsOfTheArenaWithoutItsPadding) {
  ASSERT_TRUE(export_model(files_, folder_ / "model", model_));
  const auto tensors = SafetensorsReader::open(folder_ / "model/model.safetensors");
  ASSERT_TRUE(tensors) << tensors.error().message;
  ASSERT_EQ(tensors->entries().size(), 2u);
  EXPECT_EQ(tensors->metadata().at("format"), "pt");
  EXPECT_EQ(tensors->entries()[1],
            (SafetensorsEntry{"transformer.wte.weight", DType::kF32, {3, 7}}));
  const auto bias = tensors->floats("transformer.ln_f.bias");
  ASSERT_TRUE(bias);
  ASSERT_EQ(bias->size(), 7u);
  EXPECT_EQ((*bias)[0], static_cast<float>(layout_.tensors[1].offset));
  EXPECT_EQ(read_text(folder_ / "model/tokenizer.json"), "{}\n");
}

TEST_F(Export, ConfigNamesTheModel) {
  ASSERT_TRUE(export_model(files_, folder_ / "model", model_));
  const auto config = nlohmann::json::parse(read_text(folder_ / "model/config.json"));
  const nlohmann::json expected = {{"model_type", "gpt2"}, {"n_layer", 2},
                                   {"n_head", 7},          {"n_embd", 7},
                                   {"n_positions", 5},     {"vocab_size", 3},
                                   {"eos_token_id", 2},    {"activation_function", "gelu_new"},
                                   {"attn_pdrop", 0.0}};
  for (const auto& [key, value] : expected.items()) EXPECT_EQ(config.at(key), value) << key;
  model_.activation = "gelu";
  model_.dropout = 0.25;
  ASSERT_TRUE(export_model(files_, folder_ / "other", model_));
  const auto other = nlohmann::json::parse(read_text(folder_ / "other/config.json"));
  EXPECT_EQ(other.at("activation_function"), "gelu");
  for (const char* key : {"embd_pdrop", "attn_pdrop", "resid_pdrop"}) {
    EXPECT_EQ(other.at(key), 0.25) << key;
  }
}

TEST_F(Export, TakesAnEmptyFolderAndNoOther) {
  std::filesystem::create_directory(folder_ / "empty");
  EXPECT_TRUE(export_model(files_, folder_.path() / "empty/", model_));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "empty/config.json"));
  const auto again = export_model(files_, folder_ / "empty", model_);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kAlreadyExists);
  EXPECT_THAT(again.error().message, HasSubstr("expected a new or empty folder"));
  write_text(folder_ / "file", "x");
  EXPECT_FALSE(check_export_directory(folder_ / "file"));
  EXPECT_EQ(count_files(folder_.path(), kTemporarySuffix), 0);
}

TEST_F(Export, IsWholeOrAbsentWhateverFails) {
  FaultyFileSystem counting;
  ASSERT_TRUE(export_model(counting, folder_ / "counted", model_));
  for (uint64_t call = 0; call + 1 < counting.calls(); ++call) {  // the last syncs a whole export
    const auto directory = folder_.path() / std::to_string(call);
    for (const FaultMode mode : {FaultMode::kCrash, FaultMode::kOnce}) {
      FaultyFileSystem faulty;
      faulty.fail_call(call, mode);
      EXPECT_FALSE(export_model(faulty, directory, model_)) << call;
      EXPECT_FALSE(std::filesystem::exists(directory)) << call;
    }
  }
  EXPECT_EQ(count_files(folder_.path(), kTemporarySuffix), 0);
}

}  // namespace
}  // namespace ballast
