// The training loop between a real engine, real data, and a client that is scripted: what it hands
// over, in which order, and how it ends.
#include "services/worker/training_loop.h"

#include <cmath>
#include <cstring>
#include <deque>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "services/worker/windows.h"

namespace ballast {
namespace {

// Hands out the scripted work; checks the order of calls; keeps what was handed over.
class ScriptedClient : public Client {
 public:
  explicit ScriptedClient(std::vector<float> parameters)
      : parameters_(std::move(parameters)), gradient_(parameters_.size()) {}

  std::span<const float> parameters() const override { return parameters_; }
  Next next_work() override {
    EXPECT_FALSE(open_);
    EXPECT_FALSE(script.empty());
    Next next = script.front();
    script.pop_front();
    return next;
  }
  Wait wait_parameters(uint64_t begin, uint64_t end) override {
    EXPECT_LT(begin, end);
    return waits_until_gone-- > 0 ? Wait::kReady : Wait::kGone;
  }
  bool abandoned() const override { return abandoned_now; }
  std::span<float> begin_microbatch(Microbatch v, uint64_t tokens, double loss_sum) override {
    EXPECT_FALSE(open_);
    open_ = true;
    reported_ = 0;
    handed_over.push_back({v, tokens, loss_sum, {}});
    std::fill(gradient_.begin(), gradient_.end(), 99.0F);
    return gradient_;
  }
  void finished(uint64_t begin, uint64_t end) override {
    EXPECT_TRUE(open_);
    reported_ += end - begin;
  }
  void end_microbatch() override {
    EXPECT_EQ(reported_, gradient_.size());
    handed_over.back().gradient = gradient_;
    open_ = false;
  }
  void evaluation_done(uint32_t index, double loss_sum, uint64_t tokens) override {
    evaluations.push_back({index, tokens, loss_sum, {}});
  }
  void leave() override {}
  uint64_t incarnation() const override { return 1; }
  ClientStatistics statistics() const override { return {}; }

  struct Handed {
    uint32_t index = 0;
    uint64_t tokens = 0;
    double loss = 0;
    std::vector<float> gradient;
  };
  std::deque<Next> script;
  std::vector<Handed> handed_over;
  std::vector<Handed> evaluations;
  int waits_until_gone = 1 << 30;
  bool abandoned_now = false;

 private:
  std::vector<float> parameters_;
  std::vector<float> gradient_;
  bool open_ = false;
  uint64_t reported_ = 0;
};

class TrainingLoopTest : public testing::Test {
 protected:
  TrainingLoopTest() {
    folder_ = std::filesystem::temp_directory_path() /
              ("ballast_training_loop_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    std::ofstream text(folder_ / "text.txt");
    for (int i = 0; i < 200; ++i) {
      text << "line " << i << " of the text\n";
    }
    text.close();
    job_.train = {(folder_ / "text.txt").string()};
    job_.tokenizer = "byte";
    job_.validation_percent = 10;
    job_.model = {.layers = 1, .heads = 2, .channels = 8, .context = 16, .vocabulary = 256};
    job_.batch = 8;
    job_.microbatches = 4;
    job_.seed = 9;
    job_.evaluation_batches = 20;
    RealFileSystem files;
    TokenCacheOptions cache;
    cache.folder = folder_ / "cache";
    DatasetConfig config;
    config.train = job_.train;
    config.tokenizer = job_.tokenizer;
    config.validation_percent = job_.validation_percent;
    config.context = job_.model.context;
    auto data = Dataset::open(files, config, cache);
    data_.emplace(std::move(data.value()));
    model_ = make_cpu_gpt(job_.model, job_.sequences(), compute_);
    parameters_.resize(model_->layout().elements);
    gpt_initial_values(job_.model, model_->layout(), job_.seed, 0, parameters_);
  }
  ~TrainingLoopTest() override { std::filesystem::remove_all(folder_); }

  TrainingEnd run(ScriptedClient& client, FaultSwitches faults = {}) {
    TrainingLoop loop(job_, *data_, *model_, metrics_, std::move(faults));
    return loop.run(client);
  }
  static End done() { return {false, false, "the job is done"}; }

  std::filesystem::path folder_;
  JobSettings job_;
  std::optional<Dataset> data_;
  ThreadPool pool_{1};
  Compute compute_{&pool_, &best_kernels()};
  std::unique_ptr<Model> model_;
  std::vector<float> parameters_;
  WorkerMetrics metrics_{Logger()};
};

TEST_F(TrainingLoopTest, HandsOverTheGradientOfEachMicrobatch) {
  ScriptedClient client(parameters_);
  client.script = {Work{.step = 3, .microbatches = {0, 2}, .evaluations = {}},
                   Work{.step = 4, .microbatches = {1}, .evaluations = {}}, done()};
  const TrainingEnd end = run(client);
  EXPECT_EQ(end.code, ExitCode::kDone);
  EXPECT_EQ(end.reason, "the job is done");
  const std::pair<Step, Microbatch> expected[] = {{3, 0}, {3, 2}, {4, 1}};
  ASSERT_EQ(client.handed_over.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    const auto [step, microbatch] = expected[i];
    const Windows windows = training_windows(job_, *data_, step, microbatch);
    Gpt fresh(job_.model, job_.sequences(), compute_);
    const LossSum sum = *fresh.forward(parameters_, windows.tokens, windows.targets);
    std::vector<float> gradient(parameters_.size());
    fresh.backward(gradient);
    EXPECT_EQ(client.handed_over[i].index, microbatch);
    EXPECT_EQ(client.handed_over[i].tokens, 32u);
    EXPECT_EQ(client.handed_over[i].loss, sum.loss);
    EXPECT_EQ(client.handed_over[i].gradient, gradient);
  }
  EXPECT_EQ(metrics_.microbatches.Value(), 3);
  EXPECT_EQ(metrics_.tokens.Value(), 96);
}

TEST(WindowsTest, AskedForItTheFirstTokenOfADocumentIsNoTarget) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("ballast_windows_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder / "texts");
  for (const std::string name : {"a", "b", "c", "d", "e", "f", "g", "h"}) {
    std::ofstream(folder / "texts" / name) << std::string(3, name[0]);
  }
  JobSettings job;
  job.model = {.layers = 1, .heads = 1, .channels = 4, .context = 5, .vocabulary = 256};
  job.batch = job.microbatches = 1;
  job.evaluation_batches = 1;
  RealFileSystem files;
  TokenCacheOptions cache;
  cache.folder = folder / "cache";
  const auto data = Dataset::open(
      files,
      {.train = {folder / "texts"}, .tokenizer = "byte", .validation_percent = 50, .context = 5},
      cache);
  ASSERT_TRUE(data) << data.error().message;
  size_t separators = 0;
  for (const bool masked : {false, true}) {
    job.mask_document_starts = masked;
    for (Step step = 0; step < 5; ++step) {
      Windows windows = training_windows(job, *data, step, 0);
      if (step == 4) windows = evaluation_windows(job, *data, 0);
      ASSERT_EQ(windows.targets.size(), 5u);
      for (size_t i = 0; i < 5; ++i) {
        const bool first = windows.tokens[i] == 0;
        separators += first && masked;
        EXPECT_EQ(windows.targets[i] == kMaskedTarget, first && masked);
        if (i + 1 < 5 && !(first && masked)) {
          EXPECT_EQ(windows.targets[i], windows.tokens[i + 1]);
        }
      }
    }
  }
  EXPECT_EQ(separators, 5u);  // of four steps over three windows, and of the evaluation
  std::filesystem::remove_all(folder);
}

TEST_F(TrainingLoopTest, EvaluatesEveryValidationWindowOnceAndReportsEmptyMicrobatches) {
  ScriptedClient client(parameters_);
  Work work;
  for (uint32_t e = 0; e < job_.evaluation_batches; ++e) {
    work.evaluations.push_back(e);
  }
  client.script = {work, done()};
  run(client);
  ASSERT_EQ(client.evaluations.size(), 20u);
  uint64_t tokens = 0;
  for (const auto& evaluation : client.evaluations) {
    tokens += evaluation.tokens;
    EXPECT_EQ(evaluation.tokens == 0, evaluation.loss == 0);
  }
  EXPECT_EQ(tokens, (data_->validation_tokens() - 1) / 16 * 16);
  EXPECT_EQ(client.evaluations.back().tokens, 0u);
  EXPECT_EQ(metrics_.evaluation_tokens.Value(), static_cast<double>(tokens));
}

TEST_F(TrainingLoopTest, DropsWorkThatIsOver) {
  ScriptedClient client(parameters_);
  client.waits_until_gone = 2;
  client.script = {Work{.step = 0, .microbatches = {0, 1}, .evaluations = {0}}, done()};
  EXPECT_EQ(run(client).code, ExitCode::kDone);
  EXPECT_TRUE(client.handed_over.empty());
  EXPECT_TRUE(client.evaluations.empty());
  EXPECT_EQ(metrics_.abandoned_microbatches.Value(), 1);
}

TEST_F(TrainingLoopTest, StopsBetweenLayersWhenTheStepWasCommitted) {
  ScriptedClient client(parameters_);
  client.abandoned_now = true;
  client.script = {Work{.step = 0, .microbatches = {0}, .evaluations = {}}, done()};
  run(client);
  EXPECT_TRUE(client.handed_over.empty());
}

TEST_F(TrainingLoopTest, FaultSwitchMakesTheGradientOfItsStepsNaN) {
  ScriptedClient client(parameters_);
  client.script = {Work{.step = 5, .microbatches = {0}, .evaluations = {}},
                   Work{.step = 6, .microbatches = {0}, .evaluations = {}}, done()};
  run(client, {.nan_steps = {5}});
  const auto has_nan = [&](size_t i) {
    return std::any_of(client.handed_over[i].gradient.begin(), client.handed_over[i].gradient.end(),
                       [](float value) { return std::isnan(value); });
  };
  EXPECT_TRUE(has_nan(0));
  EXPECT_FALSE(has_nan(1));
}

TEST_F(TrainingLoopTest, EndsWithTheCodeOfTheReason) {
  const struct {
    End end;
    ExitCode code;
  } rows[] = {{{false, false, "done"}, ExitCode::kDone},
              {{true, false, "nobody answered"}, ExitCode::kFailed},
              {{false, true, "other data"}, ExitCode::kRefused},
              {{true, true, "other data"}, ExitCode::kRefused}};
  for (const auto& row : rows) {
    ScriptedClient client(parameters_);
    client.script = {row.end};
    const TrainingEnd end = run(client);
    EXPECT_EQ(end.code, row.code);
    EXPECT_EQ(end.reason, row.end.reason);
  }
}

}  // namespace
}  // namespace ballast
