#include "operator/api/validate.h"

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <optional>

#include "operator/api/decimal.h"
#include "operator/api/problem.h"
#include "operator/api/quantity.h"
#include "operator/api/training_choices.h"

namespace ballast::api {
namespace {

constexpr int64_t kMaxCount = int64_t{1} << 53;  // exact in every JSON reader
// Pods are named <job>-worker-<i>, within the 63 bytes of a label.
constexpr size_t kMaxNameBytes = 50;

bool power_of_two(int64_t value) { return value > 0 && (value & (value - 1)) == 0; }

constexpr size_t kMaxDnsNameBytes = 253;

// Labels of letters, digits and '-', between dots.
bool is_dns_name(std::string_view name) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  char before = '.';
  for (const char c : name) {
    const bool inner = c == '-' || c == '.';
    if (!plain(c) && !(inner && before != '.' && !(c == '.' && before == '-'))) return false;
    before = c;
  }
  return name.size() <= kMaxDnsNameBytes && plain(before);
}

class Rules {
 public:
  explicit Rules(const TrainingJob& job) : job_(job), spec_(job.spec) {}

  std::vector<Violation> check() {
    metadata();
    model();
    data();
    training();
    optimizer();
    schedule();
    roles();
    policy();
    server_count();
    memory();
    rest();
    return std::move(violations_);
  }

 private:
  void violated(std::vector<std::string> paths, std::string message) {
    violations_.push_back({std::move(paths), std::move(message)});
  }

  bool range(const std::string& path, int64_t value, int64_t low, int64_t high) {
    if (value >= low && value <= high) return true;
    violated({path}, "found " + std::to_string(value) + "; expected " + std::to_string(low) +
                         " to " + std::to_string(high));
    return false;
  }

  // `later`: choices that are planned and refused by name until they are there.
  void choice(const std::string& path, const std::string& value,
              const std::vector<std::string>& now, const std::vector<std::string>& later = {}) {
    if (std::find(now.begin(), now.end(), value) != now.end()) return;
    std::string expected;
    for (const std::string& word : now) expected += (expected.empty() ? "" : " or ") + word;
    if (std::find(later.begin(), later.end(), value) != later.end()) {
      return violated({path}, value + " is not available in this version; expected " + expected);
    }
    const std::string meant = closest(value, now);
    violated({path}, "found \"" + value + "\"; expected " + expected +
                         (meant.empty() || now.size() == 1 ? "" : "; did you mean " + meant + "?"));
  }

  std::optional<double> decimal(const std::string& path, const std::string& text, double low,
                                double high, const std::string& expected) {
    const auto value = parse_decimal(text);
    if (!value) {
      violated({path}, value.error().message);
      return std::nullopt;
    }
    if (*value < low || *value > high) {
      violated({path}, "found \"" + text + "\"; expected " + expected);
      return std::nullopt;
    }
    return *value;
  }

  void metadata() {
    if (job_.metadata.name.empty()) {
      violated({"metadata.name"}, "is missing; every job has a name");
    } else if (!is_dns_label(job_.metadata.name, kMaxNameBytes)) {
      violated({"metadata.name"},
               "found \"" + job_.metadata.name.substr(0, 80) + "\"; expected 1 to " +
                   std::to_string(kMaxNameBytes) +
                   " lower-case letters, digits and '-', beginning with a letter and ending "
                   "with a letter or digit");
    }
    if (!is_dns_label(job_.metadata.name_space)) {
      violated({"metadata.namespace"}, "found \"" + job_.metadata.name_space.substr(0, 80) +
                                           "\"; expected a lower-case DNS label");
    }
  }

  void model() {
    const Model& model = spec_.model;
    choice("spec.model.family", model.family, {"gpt"}, {"custom"});
    range("spec.model.layers", model.layers, 1, 256);
    const bool heads = range("spec.model.heads", model.heads, 1, 256);
    const bool embedding = range("spec.model.embedding", model.embedding, 1, 16'384);
    range("spec.model.context", model.context, 1, 65'536);
    choice("spec.model.activation", model.activation, {"geluTanh", "gelu"});
    share("spec.model.dropout", model.dropout);
    if (heads && embedding && model.embedding % model.heads != 0) {
      violated({"spec.model.embedding", "spec.model.heads"},
               "found " + std::to_string(model.embedding) +
                   "; expected a multiple of spec.model.heads, which is " +
                   std::to_string(model.heads));
    }
  }

  void data() {
    const Data& data = spec_.data;
    if (data.train.empty())
      violated({"spec.data.train"}, "is missing; expected files, folders or globs of text");
    if (data.train.size() > 10'000)
      violated({"spec.data.train"}, "has more than 10000 entries; use folders or globs");
    for (size_t i = 0; i < data.train.size(); ++i) {
      path("spec.data.train[" + std::to_string(i) + "]", data.train[i]);
    }
    range("spec.data.validationPercent", data.validation_percent, 0, 50);
    choice("spec.data.tokenizer", data.tokenizer, {"byte", "characters", "gpt2"}, {});
    if (!data.vocabulary.empty()) path("spec.data.vocabulary", data.vocabulary);
    if (data.tokenizer == "gpt2" && data.vocabulary.empty()) {
      violated({"spec.data.vocabulary"},
               "is missing; expected a folder with GPT-2's vocab.json and merges.txt");
    }
    if (data.tokenizer == "byte" && !data.vocabulary.empty()) {
      violated({"spec.data.vocabulary"}, "is set; the tokenizer byte has no vocabulary");
    }
  }

  void path(const std::string& field, const std::string& value) {
    if (value.empty()) return violated({field}, "is empty; expected a path");
    if (value.size() > 4096) return violated({field}, "is longer than 4096 bytes");
    if (std::any_of(value.begin(), value.end(),
                    [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
      violated({field}, "holds a control character; expected a path");
    }
  }

  void training() {
    const Training& training = spec_.training;
    range("spec.training.steps", training.steps, 1, kMaxCount);
    const bool batch = range("spec.training.batch", training.batch, 1, 1 << 20);
    bool microbatches = range("spec.training.microbatches", training.microbatches, 1, 4096);
    if (microbatches && !power_of_two(training.microbatches)) {
      microbatches = false;
      violated({"spec.training.microbatches"},
               "found " + std::to_string(training.microbatches) + "; expected a power of two");
    }
    if (batch && microbatches && training.batch % training.microbatches != 0) {
      violated({"spec.training.batch", "spec.training.microbatches"},
               "found " + std::to_string(training.batch) +
                   "; expected a multiple of spec.training.microbatches, which is " +
                   std::to_string(training.microbatches));
    }
    range("spec.training.seed", training.seed, 0, kMaxCount);
    choice("spec.training.mode", training.mode, {"synchronous"},
           {"async", "ssp", "boundedStaleness", "localSGD", "diloco"});
    decimal("spec.training.gradientClip", training.gradient_clip, 0, 1e30,
            "a norm, or \"0\" for none");
    range("spec.training.evaluation.everySteps", training.evaluation.every_steps, 0, kMaxCount);
    range("spec.training.evaluation.batches", training.evaluation.batches, 0, 1 << 20);
    if (training.evaluation.batches > 0 && spec_.data.validation_percent == 0) {
      violated({"spec.training.evaluation.batches", "spec.data.validationPercent"},
               "found " + std::to_string(training.evaluation.batches) +
                   ", but spec.data.validationPercent is 0 and leaves nothing to evaluate on; "
                   "expected 0");
    }
    range("spec.training.maxSkippedInARow", training.max_skipped_in_a_row, 1, 1'000'000);
  }

  // Some know SGD with momentum by names of its own.
  void optimizer_name(const std::string& path, const std::string& name) {
    if (name == "momentum" || name == "nesterov") {
      return violated({path}, "found \"" + name + "\"; expected sgd with momentum: \"0.9\"" +
                                  (name == "nesterov" ? " and nesterov: true" : ""));
    }
    choice(path, name, names_of(optimizer_choices()), {"lion", "muon", "adafactor"});
  }

  // "0" to below "1".
  void share(const std::string& path, const std::string& text) {
    const std::string expected = "\"0\" to below \"1\"";
    const auto value = decimal(path, text, 0, 1, expected);
    if (value && *value == 1) violated({path}, "found \"" + text + "\"; expected " + expected);
  }

  void optimizer() {
    const Optimizer& optimizer = spec_.training.optimizer;
    const std::string at = "spec.training.optimizer.";
    optimizer_name(at + "name", optimizer.name);
    decimal(at + "learningRate", optimizer.learning_rate, 0, 1e6, "\"0\" or more");
    decimal(at + "weightDecay", optimizer.weight_decay, 0, 1e6, "\"0\" or more");
    share(at + "beta1", optimizer.beta1);
    share(at + "beta2", optimizer.beta2);
    share(at + "momentum", optimizer.momentum);
    share(at + "alpha", optimizer.alpha);
    const auto epsilon =
        decimal(at + "epsilon", optimizer.epsilon, 0, 1, "above \"0\", such as \"1e-8\"");
    if (epsilon && *epsilon < 1e-30) {
      violated({at + "epsilon"},
               "found \"" + optimizer.epsilon + "\"; expected above \"0\", such as \"1e-8\"");
    }
    const auto momentum = parse_decimal(optimizer.momentum);
    if (optimizer.nesterov && momentum && *momentum == 0) {
      violated({at + "nesterov", at + "momentum"},
               "found true, but momentum is \"" + optimizer.momentum +
                   "\"; expected a momentum above \"0\", such as \"0.9\"");
    }
  }

  void schedule() {
    const Schedule& schedule = spec_.training.schedule;
    const std::string at = "spec.training.schedule.";
    choice(at + "name", schedule.name, names_of(schedule_choices()));
    const NamedChoice* chosen = find_choice(schedule_choices(), schedule.name);
    if (chosen == nullptr || chosen->fields.empty()) return;
    const bool warmup = range(at + "warmupSteps", schedule.warmup_steps, 0, kMaxCount);
    if (chosen->has("lengthSteps") && warmup) schedule_length(at);
    const auto low =
        decimal(at + "minLearningRate", schedule.min_learning_rate, 0, 1e6, "\"0\" or more");
    const auto peak = parse_decimal(spec_.training.optimizer.learning_rate);
    if (low && peak && *low > *peak) {
      violated({at + "minLearningRate", "spec.training.optimizer.learningRate"},
               "found \"" + schedule.min_learning_rate +
                   "\"; expected at most spec.training.optimizer.learningRate, "
                   "which is \"" +
                   spec_.training.optimizer.learning_rate + "\"");
    }
  }

  // Warm-up and decay must find room in the length.
  void schedule_length(const std::string& at) {
    const Schedule& schedule = spec_.training.schedule;
    if (!range(at + "lengthSteps", schedule.length_steps, 1, kMaxCount)) return;
    if (schedule.warmup_steps > schedule.length_steps) {
      return violated({at + "warmupSteps", at + "lengthSteps", "spec.training.steps"},
                      "found " + std::to_string(schedule.warmup_steps) +
                          "; expected at most lengthSteps, which is " +
                          std::to_string(schedule.length_steps));
    }
    const int64_t rest = schedule.length_steps - schedule.warmup_steps;
    if (range(at + "decaySteps", schedule.decay_steps, 0, kMaxCount) &&
        schedule.decay_steps > rest) {
      violated({at + "decaySteps", at + "warmupSteps", at + "lengthSteps", "spec.training.steps"},
               "found " + std::to_string(schedule.decay_steps) +
                   "; expected at most lengthSteps - warmupSteps, which is " +
                   std::to_string(rest));
    }
  }

  void roles() {
    const Servers& servers = spec_.servers;
    const Workers& workers = spec_.workers;
    const bool servers_count = range("spec.servers.replicas", servers.replicas, 1, kMostServers);
    if (range("spec.servers.replication", servers.replication, 1, 3) && servers_count &&
        servers.replication > servers.replicas) {
      violated({"spec.servers.replication", "spec.servers.replicas"},
               "found " + std::to_string(servers.replication) +
                   "; expected at most spec.servers.replicas, which is " +
                   std::to_string(servers.replicas));
    }
    if (range("spec.servers.segmentElements", servers.segment_elements, 1024, 262'144) &&
        !power_of_two(servers.segment_elements)) {
      violated({"spec.servers.segmentElements"},
               "found " + std::to_string(servers.segment_elements) + "; expected a power of two");
    }
    const bool count = range("spec.workers.replicas", workers.replicas, 1, kMostWorkers);
    const bool low = range("spec.workers.minReplicas", workers.min_replicas, 1, kMostWorkers);
    const bool high = range("spec.workers.maxReplicas", workers.max_replicas, 1, kMostWorkers);
    choice("spec.workers.precision", workers.precision, {"fp32", "bf16"});
    if (high && workers.max_replicas > spec_.training.microbatches) {
      violated({"spec.workers.maxReplicas", "spec.training.microbatches"},
               "found " + std::to_string(workers.max_replicas) +
                   "; expected at most spec.training.microbatches, which is " +
                   std::to_string(spec_.training.microbatches));
    }
    const std::vector<std::string> bounds = {"spec.workers.replicas", "spec.workers.minReplicas",
                                             "spec.workers.maxReplicas",
                                             "spec.training.microbatches"};
    const bool microbatches = power_of_two(spec_.training.microbatches);
    if (count && microbatches && workers.replicas > spec_.training.microbatches) {
      int64_t enough = spec_.training.microbatches;
      while (enough < workers.replicas) enough *= 2;
      return violated(bounds, "found " + std::to_string(workers.replicas) +
                                  "; expected at most spec.training.microbatches, which is " +
                                  std::to_string(spec_.training.microbatches) + " (" +
                                  std::to_string(workers.replicas) + " workers need " +
                                  std::to_string(enough) + ")");
    }
    if (count && low && high &&
        (workers.replicas < workers.min_replicas || workers.replicas > workers.max_replicas)) {
      violated(bounds, "found " + std::to_string(workers.replicas) +
                           "; expected minReplicas to maxReplicas, which are " +
                           std::to_string(workers.min_replicas) + " and " +
                           std::to_string(workers.max_replicas));
    }
  }

  void policy() {
    const Policy& policy = spec_.policy;
    const std::vector<std::string> modes = {"off", "recommend", "act"};
    const std::string at = "spec.policy.workerBalance.";
    choice(at + "mode", policy.worker_balance.mode, modes);
    choice(at + "method", policy.worker_balance.method,
           {"measured", "static", "roundRobin", "leastLoaded", "weighted", "priority"});
    by_name(at + "weights", policy.worker_balance.weights, 0, kMostWorkers);
    by_name(at + "priorities", policy.worker_balance.priorities, -1'000'000, kMostWorkers);
    const std::string servers = "spec.policy.serverBalance.";
    choice(servers + "mode", policy.server_balance.mode, modes);
    choice(servers + "method", policy.server_balance.method, {"measured", "weighted"});
    by_name(servers + "weights", policy.server_balance.weights, 0, kMostServers);
    choice("spec.policy.straggler.mode", policy.straggler.mode, modes);
    range("spec.policy.straggler.replaceAfterSeconds", policy.straggler.replace_after_seconds, 10,
          86'400);
    choice("spec.policy.workers.mode", policy.workers.mode, modes);
    range("spec.policy.workers.leastMarginalPercent", policy.workers.least_marginal_percent, 0,
          100);
  }

  void server_count() {
    const ServerCount& servers = spec_.policy.servers;
    const std::string at = "spec.policy.servers.";
    choice(at + "mode", servers.mode, {"off", "recommend", "act"});
    const bool low = range(at + "minReplicas", servers.min_replicas, 1, kMostServers);
    if (!servers.max_replicas) return;
    const bool high = range(at + "maxReplicas", *servers.max_replicas, 1, kMostServers);
    if (low && high && *servers.max_replicas < servers.min_replicas)
      violated({at + "maxReplicas", at + "minReplicas"},
               "found " + std::to_string(*servers.max_replicas) +
                   "; expected at least minReplicas, which is " +
                   std::to_string(servers.min_replicas));
  }

  void memory() {
    const Memory& memory = spec_.policy.memory;
    const std::string at = "spec.policy.memory.";
    choice(at + "mode", memory.mode, {"off", "recommend", "act"});
    range(at + "factorPercent", memory.factor_percent, 101, 1'000);
    if (memory.cap.empty()) return;
    if (const auto cap = parse_bytes(memory.cap); !cap) violated({at + "cap"}, cap.error().message);
  }

  // By name of a process.
  void by_name(const std::string& path, const std::map<std::string, int64_t>& values, int64_t least,
               int64_t most) {
    if (static_cast<int64_t>(values.size()) > most)
      violated({path}, "has more than " + std::to_string(most) + " entries");
    for (const auto& [name, value] : values) range(path + "." + name, value, least, 1'000'000);
  }

  void rest() {
    range("spec.checkpoint.everySteps", spec_.checkpoint.every_steps, 0, kMaxCount);
    range("spec.checkpoint.everySeconds", spec_.checkpoint.every_seconds, 0, int64_t{1} << 31);
    range("spec.checkpoint.keep", spec_.checkpoint.keep, 1, 1'000'000);
    if (!spec_.checkpoint.path.empty()) path("spec.checkpoint.path", spec_.checkpoint.path);
    if (spec_.checkpoint.resume && spec_.checkpoint.path.empty())
      violated({"spec.checkpoint.path"}, "is missing; spec.checkpoint.resume looks there");
    range("spec.backoffLimit", spec_.backoff_limit, 0, 1'000'000);
    range("spec.activeDeadlineSeconds", spec_.active_deadline_seconds, 0, int64_t{1} << 31);
    range("spec.ttlSecondsAfterFinished", spec_.ttl_seconds_after_finished.value_or(0), 0,
          int64_t{1} << 31);
    choice("spec.cleanPodPolicy", spec_.clean_pod_policy, {"All", "Running", "None"});
    const std::string& priority = spec_.priority_class_name;
    if (!priority.empty() && !is_dns_name(priority)) {
      violated(
          {"spec.priorityClassName"},
          "found \"" + priority.substr(0, 80) +
              "\"; expected the name of a PriorityClass: lower-case letters, digits, '-' and '.'");
    }
  }

  const TrainingJob& job_;
  const TrainingJobSpec& spec_;
  std::vector<Violation> violations_;
};

}  // namespace

bool is_dns_label(std::string_view name, size_t max_bytes) {
  const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return !name.empty() && name.size() <= max_bytes && letter(name.front()) && name.back() != '-' &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return letter(c) || digit(c) || c == '-'; });
}

std::vector<Violation> validate(const TrainingJob& job) { return Rules(job).check(); }

}  // namespace ballast::api
