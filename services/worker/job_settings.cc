#include "services/worker/job_settings.h"

#include <bit>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <google/protobuf/util/json_util.h>

#include "ballast/v1/job.pb.h"
#include "common/file.h"
#include "services/core/tree.h"

namespace ballast {
namespace {

constexpr uint64_t kJobFileLimitBytes = 16 << 20;

class Problems {
 public:
  void expect(bool right, std::string problem) {
    if (!right) {
      lines_.push_back(std::move(problem));
    }
  }
  template <typename Number>
  void range(const char* field, Number value, uint64_t least, uint64_t most) {
    expect(value >= least && value <= most,
           fmt::format("{} is {}, expected {} to {}", field, value, least, most));
  }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::vector<std::string> lines_;
};

JobSettings convert(const v1::JobConfig& from) {
  JobSettings to;
  to.name = from.name();
  to.uid = from.uid();
  to.model = {.layers = from.model().layers(),
              .heads = from.model().heads(),
              .channels = from.model().embedding(),
              .context = from.model().context(),
              .vocabulary = 1,
              .activation = parse_activation(from.model().activation()).value_or(Gelu::kTanh),
              .dropout = from.model().dropout(),
              .recompute = from.training().recompute()};
  to.train.assign(from.data().train().begin(), from.data().train().end());
  to.tokenizer = from.data().tokenizer();
  to.tokenizer_folder = from.data().vocabulary();
  to.validation_percent = from.data().validation_percent();
  to.mask_document_starts = from.data().mask_document_starts();
  to.batch = from.training().batch();
  to.microbatches = from.training().microbatches();
  to.seed = from.training().seed();
  to.evaluation_batches = from.training().evaluation().batches();
  if (from.servers().segment_elements() != 0) {
    to.segment_elements = from.servers().segment_elements();
  }
  to.precision = parse_precision(from.workers().precision()).value_or(Precision::kFp32);
  return to;
}

void check_training(const JobSettings& job, const v1::TrainingConfig& from, Problems& problems) {
  problems.expect(from.mode() == "synchronous",
                  fmt::format("training.mode is '{}', expected synchronous", from.mode()));
  problems.range("training.microbatches", job.microbatches, 1, kMaxMicrobatches);
  problems.range("training.batch", job.batch, 1, 1 << 24);
  if (job.microbatches >= 1) {
    problems.expect(
        std::has_single_bit(job.microbatches),
        fmt::format("training.microbatches is {}, expected a power of two", job.microbatches));
    problems.expect(job.batch % job.microbatches == 0,
                    fmt::format("training.batch is {}, no multiple of training.microbatches {}",
                                job.batch, job.microbatches));
  }
}

Problems check(const JobSettings& job, const v1::JobConfig& from) {
  Problems problems;
  problems.expect(!job.uid.empty(), "uid is empty");
  problems.expect(from.model().family() == "gpt",
                  fmt::format("model.family is '{}', expected gpt", from.model().family()));
  if (const auto activation = parse_activation(from.model().activation()); !activation) {
    problems.expect(false, activation.error().message);
  }
  if (const auto layout = gpt_layout(job.model); !layout) {
    problems.expect(false, layout.error().message);
  }
  problems.expect(!job.train.empty(), "data.train is empty");
  problems.range("data.validationPercent", job.validation_percent, 0, 50);
  check_training(job, from.training(), problems);
  problems.range("servers.segmentElements", job.segment_elements, kTensorAlignment,
                 kDefaultSegmentElements);
  problems.expect(
      parse_precision(from.workers().precision()).has_value(),
      fmt::format("workers.precision is '{}', expected fp32 or bf16", from.workers().precision()));
  return problems;
}

}  // namespace

Result<JobSettings> parse_job(std::string_view json) {
  v1::JobConfig config;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = false;
  const auto parsed = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(json.data(), json.size()), &config, options);
  if (!parsed.ok()) {
    return fail(ErrorCode::kInvalid, fmt::format("no job: {}", parsed.message().ToString()));
  }
  JobSettings job = convert(config);
  const Problems problems = check(job, config);
  if (!problems.lines().empty()) {
    return fail(ErrorCode::kInvalid, fmt::format("{}", fmt::join(problems.lines(), "\n")));
  }
  return job;
}

Result<JobSettings> read_job(const std::filesystem::path& path) {
  const auto text = read_file(path, kJobFileLimitBytes);
  if (!text) {
    return tl::unexpected(text.error());
  }
  auto job = parse_job(*text);
  if (!job) {
    return fail(job.error().code, fmt::format("{}: {}", path.string(), job.error().message));
  }
  return job;
}

}  // namespace ballast
