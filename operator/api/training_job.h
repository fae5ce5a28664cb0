// The TrainingJob as users write it, after defaults. Decimals stay the strings that the user wrote
// (the API has no floats); validate() has seen that they are numbers. Plain values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace ballast::api {

inline constexpr const char* kApiVersion = "ballast.dev/v1alpha1";
inline constexpr const char* kKind = "TrainingJob";
inline constexpr int64_t kMostServers = 256;
inline constexpr int64_t kMostWorkers = 4096;

struct Metadata {
  std::string name;
  std::string name_space = "default";
  std::string uid;  // given by the API server, or drawn for a local run
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;

  bool operator==(const Metadata&) const = default;
};

struct Model {
  std::string family = "gpt";
  int64_t layers = 4;
  int64_t heads = 4;
  int64_t embedding = 128;              // channels, a multiple of heads
  int64_t context = 64;                 // tokens
  std::string activation = "geluTanh";  // geluTanh | gelu
  std::string dropout = "0";            // probability

  bool operator==(const Model&) const = default;
};

struct Data {
  std::vector<std::string> train;  // files, folders, globs
  int64_t validation_percent = 10;
  std::string tokenizer = "byte";     // byte | characters | gpt2
  std::string vocabulary;             // folder with the tokenizer's files; gpt2 needs it
  bool mask_document_starts = false;  // a document's first token counts in no loss

  bool operator==(const Data&) const = default;
};

struct Optimizer {
  std::string name = "adamw";  // training_choices.h
  std::string learning_rate = "1e-3";
  std::string weight_decay = "0.1";  // of matrices alone; default: "0" for all but adamw
  std::string beta1 = "0.9";         // adam, adamw
  std::string beta2 = "0.999";       // adam, adamw
  std::string epsilon = "1e-8";      // all but sgd
  std::string momentum = "0";        // sgd
  bool nesterov = false;             // sgd with momentum
  std::string alpha = "0.99";        // rmsprop: how much of the mean square stays

  bool operator==(const Optimizer&) const = default;
};

struct Schedule {
  std::string name = "warmupCosine";  // training_choices.h
  int64_t warmup_steps = 0;           // default: a tenth of the length, at most 100
  int64_t length_steps = 0;           // default: training.steps
  int64_t decay_steps = 0;            // warmupStableDecay; default: a fifth of lengthSteps
  std::string min_learning_rate = "0";

  bool operator==(const Schedule&) const = default;
};

struct Evaluation {
  int64_t every_steps = 0;  // 0: only at the end
  int64_t batches = 20;     // microbatches without gradients; 0: never

  bool operator==(const Evaluation&) const = default;
};

struct Training {
  int64_t steps = 1000;
  int64_t batch = 16;  // sequences in the global batch of a step
  int64_t microbatches = 8;
  int64_t seed = 1337;
  std::string mode = "synchronous";
  Optimizer optimizer;
  Schedule schedule;
  std::string gradient_clip = "1.0";  // global norm; "0" = none
  Evaluation evaluation;
  bool recompute = false;  // layers run again in backward: less memory, more time
  bool reproducible = true;
  int64_t max_skipped_in_a_row = 10;

  bool operator==(const Training&) const = default;
};

struct Servers {
  int64_t replicas = 1;
  int64_t replication = 1;  // replicas of each segment; default: 2 where there are two servers
  int64_t segment_elements = 262'144;
  nlohmann::json pod_template = nlohmann::json::object();

  bool operator==(const Servers&) const = default;
};

struct Workers {
  int64_t replicas = 1;
  int64_t min_replicas = 1;
  int64_t max_replicas = 8;        // default: training.microbatches
  std::string precision = "fp32";  // fp32 | bf16: of the parameters that they get
  nlohmann::json pod_template = nlohmann::json::object();

  bool operator==(const Workers&) const = default;
};

// How microbatches are shared among workers; docs/policies.md has the methods.
struct WorkerBalance {
  std::string mode = "act";  // off | recommend | act
  std::string method =
      "measured";  // measured | static | roundRobin | leastLoaded | weighted | priority
  std::map<std::string, int64_t> weights;     // weighted: by name of the worker; else 1
  std::map<std::string, int64_t> priorities;  // priority: likewise; else 0

  bool operator==(const WorkerBalance&) const = default;
};

// Which servers are primary of how many segments.
struct ServerBalance {
  std::string mode = "act";
  std::string method = "measured";         // measured | weighted
  std::map<std::string, int64_t> weights;  // weighted: by name of the server; else 1

  bool operator==(const ServerBalance&) const = default;
};

// The number of workers, between minReplicas and maxReplicas.
struct WorkerCount {
  std::string mode = "off";
  int64_t least_marginal_percent = 5;  // that one more must bring, of the mean of a worker

  bool operator==(const WorkerCount&) const = default;
};

// The number of servers, by their load.
struct ServerCount {
  std::string mode = "off";
  int64_t min_replicas = 1;             // but never fewer than servers.replication
  std::optional<int64_t> max_replicas;  // nothing: servers.replicas

  bool operator==(const ServerCount&) const = default;
};

// Workers that are far slower than the others for long.
struct Straggler {
  std::string mode = "recommend";
  int64_t replace_after_seconds = 300;  // of being so

  bool operator==(const Straggler&) const = default;
};

// Of a cluster: what a process gets after it was ended for want of memory.
struct Memory {
  std::string mode = "act";
  int64_t factor_percent = 150;  // of what it had
  std::string cap;               // "8Gi"; empty: nothing is raised

  bool operator==(const Memory&) const = default;
};

struct Policy {
  WorkerBalance worker_balance;
  ServerBalance server_balance;
  Straggler straggler;
  ServerCount servers;
  WorkerCount workers;
  Memory memory;

  bool operator==(const Policy&) const = default;
};

struct Checkpoint {
  int64_t every_steps = 0;    // 0: only at the end
  int64_t every_seconds = 0;  // likewise, whichever comes first; 0: not by time
  int64_t keep = 3;
  std::string path;     // empty: `ballast run` chooses a folder, a cluster writes none
  bool resume = false;  // a new job goes on from the newest whole one that is there

  bool operator==(const Checkpoint&) const = default;
};

struct TrainingJobSpec {
  Model model;
  Data data;
  Training training;
  Servers servers;
  Workers workers;
  Checkpoint checkpoint;
  Policy policy;
  bool trusted_network = false;         // network.trusted: TCP without TLS is allowed
  int64_t backoff_limit = 6;            // restarts of one process before the job fails
  int64_t active_deadline_seconds = 0;  // 0: none
  // Of a cluster. After this time a job that has succeeded or failed is deleted; nothing: never.
  std::optional<int64_t> ttl_seconds_after_finished;
  std::string clean_pod_policy = "Running";  // All | Running | None: which pods go with the outcome
  std::string priority_class_name;           // of the pods; empty: the cluster's default
  bool suspend = false;

  bool operator==(const TrainingJobSpec&) const = default;
};

struct TrainingJob {
  Metadata metadata;
  TrainingJobSpec spec;

  bool operator==(const TrainingJob&) const = default;
};

}  // namespace ballast::api
