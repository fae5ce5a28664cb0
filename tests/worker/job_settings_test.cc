// The job file as a worker reads it: what it takes over, and what it refuses with which words.
#include "services/worker/job_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/worker/training_loop.h"

namespace ballast {
namespace {

constexpr const char* kGood = R"({
  "name": "tiny", "namespace": "local", "uid": "u-1",
  "model": {"family": "gpt", "layers": 2, "heads": 2, "embedding": 16, "context": 8,
            "activation": "gelu", "dropout": 0.25},
  "data": {"train": ["/data/a.txt", "/data/b"], "validationPercent": 10, "tokenizer": "byte",
           "maskDocumentStarts": true},
  "training": {"steps": "100", "batch": 16, "microbatches": 8, "seed": "18446744073709551615",
               "mode": "synchronous", "optimizer": {"name": "adamw", "learningRate": 0.001},
               "evaluation": {"everySteps": "10", "batches": 3}, "recompute": true,
               "reproducible": true},
  "servers": {"replicas": 2, "replication": 1}, "workers": {"replicas": 2, "precision": "bf16"}
})";

std::string with(std::string_view from, std::string_view to) {
  std::string text = kGood;
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(ParseJob, TakesWhatAWorkerNeeds) {
  const auto job = parse_job(kGood);
  ASSERT_TRUE(job) << job.error().message;
  EXPECT_EQ(job->uid, "u-1");
  EXPECT_EQ(job->model.layers, 2u);
  EXPECT_EQ(job->model.channels, 16u);
  EXPECT_EQ(job->model.activation, Gelu::kExact);
  EXPECT_EQ(job->model.dropout, 0.25);
  EXPECT_TRUE(job->model.recompute);
  EXPECT_EQ(job->train, (std::vector<std::string>{"/data/a.txt", "/data/b"}));
  EXPECT_EQ(job->seed, UINT64_MAX);
  EXPECT_TRUE(job->mask_document_starts);
  EXPECT_EQ(job->sequences(), 2u);
  EXPECT_EQ(job->evaluation_batches, 3u);
  EXPECT_EQ(job->segment_elements, kDefaultSegmentElements);
  EXPECT_EQ(job->precision, Precision::kBf16);
  EXPECT_EQ(parse_job(with(", \"precision\": \"bf16\"", ""))->precision, Precision::kFp32);
}

TEST(ParseJob, NamesWhatIsWrong) {
  const struct {
    std::string json;
    const char* message;
  } rows[] = {
      {"", "no job"},
      {"[]", "no job"},
      {with("\"layers\"", "\"layres\""), "layres"},
      {with("\"layers\": 2", "\"layers\": \"two\""), "layers"},
      {with("\"uid\": \"u-1\"", "\"uid\": \"\""), "uid is empty"},
      {with("\"family\": \"gpt\"", "\"family\": \"rnn\""), "model.family is 'rnn', expected gpt"},
      {with("\"heads\": 2", "\"heads\": 3"), "model.embedding is 16, no multiple of model.heads 3"},
      {with("\"activation\": \"gelu\"", "\"activation\": \"relu\""),
       "model.activation is 'relu', expected geluTanh or gelu"},
      {with("\"dropout\": 0.25", "\"dropout\": 1"), "model.dropout is 1, expected 0 to below 1"},
      {with("[\"/data/a.txt\", \"/data/b\"]", "[]"), "data.train is empty"},
      {with("\"microbatches\": 8", "\"microbatches\": 3"),
       "training.microbatches is 3, expected a power of two"},
      {with("\"batch\": 16", "\"batch\": 12"),
       "training.batch is 12, no multiple of training.microbatches 8"},
      {with("\"microbatches\": 8", "\"microbatches\": 0"),
       "training.microbatches is 0, expected 1 to 4096"},
      {with("bf16", "fp16"), "workers.precision is 'fp16', expected fp32 or bf16"},
      {with("synchronous", "async"), "training.mode is 'async', expected synchronous"},
      {with("\"replication\": 1", "\"segmentElements\": 8"),
       "servers.segmentElements is 8, expected 16 to 262144"},
  };
  for (const auto& row : rows) {
    const auto job = parse_job(row.json);
    ASSERT_FALSE(job) << row.message;
    EXPECT_EQ(job.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(job.error().message, testing::HasSubstr(row.message));
  }
}

TEST(ParseJob, TellsAllProblemsAtOnce) {
  const auto job = parse_job("{}");
  ASSERT_FALSE(job);
  EXPECT_THAT(
      job.error().message,
      testing::AllOf(testing::HasSubstr("uid"), testing::HasSubstr("model.layers"),
                     testing::HasSubstr("data.train"), testing::HasSubstr("training.batch")));
}

TEST(ReadJob, NamesTheFile) {
  const auto job = read_job("/nowhere/job.json");
  ASSERT_FALSE(job);
  EXPECT_EQ(job.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(job.error().message, testing::HasSubstr("/nowhere/job.json"));
}

TEST(FaultSwitches, ReadStepsAndRanges) {
  EXPECT_TRUE(parse_fault_switches(nullptr)->nan_steps.empty());
  EXPECT_TRUE(parse_fault_switches("")->nan_steps.empty());
  EXPECT_EQ(parse_fault_switches("7")->nan_steps, (std::set<Step>{7}));
  EXPECT_EQ(parse_fault_switches("7,10-12")->nan_steps, (std::set<Step>{7, 10, 11, 12}));
  for (const char* bad : {"x", "7,", "7,,8", "9-3", "1-", "-1", "1-2-3", "0-99999999999"}) {
    EXPECT_EQ(parse_fault_switches(bad).has_value(), std::string_view(bad) == "7,") << bad;
  }
}

}  // namespace
}  // namespace ballast
