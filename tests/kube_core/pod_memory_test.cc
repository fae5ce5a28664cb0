// How much memory a process may have, by its template and by what was raised.
#include "operator/core/pod_memory.h"

#include <gtest/gtest.h>

namespace ballast::kube {
namespace {

using decide::Role;
using nlohmann::json;

constexpr uint64_t kMiB = 1u << 20;

TEST(PodMemory, IsTheLimitOfOurContainer) {
  const struct {
    const char* pod_template;
    uint64_t bytes;
  } rows[] = {
      {"{}", 0},
      {R"({"spec":{"containers":"odd"}})", 0},
      {R"({"spec":{"containers":[3,{"name":"side","resources":{"limits":{"memory":"1Gi"}}}]}})", 0},
      {R"({"spec":{"containers":[{"name":"main"}]}})", 0},
      {R"({"spec":{"containers":[{"name":"main","resources":{"limits":{"memory":"much"}}}]}})", 0},
      {R"({"spec":{"containers":[{"name":"main","resources":{"limits":{"memory":"512Mi"}}}]}})",
       512 * kMiB},
      {R"({"spec":{"containers":[{"name":"main","resources":{"limits":{"memory":1048576}}}]}})",
       kMiB},
  };
  for (const auto& row : rows) {
    api::TrainingJobSpec spec;
    spec.workers.pod_template = json::parse(row.pod_template);
    EXPECT_EQ(memory_limit(spec, {}, Role::kWorker, 0), row.bytes) << row.pod_template;
    EXPECT_EQ(memory_limit(spec, {}, Role::kServer, 0), 0u);
  }
}

TEST(PodMemory, IsWhatWasRaisedUnlessTheTemplateGivesMore) {
  api::TrainingJobSpec spec;
  api::TrainingJobStatus status;
  status.memory["worker-1"] = {1, 768 * kMiB};
  EXPECT_EQ(memory_limit(spec, status, Role::kWorker, 1), 768 * kMiB);
  EXPECT_EQ(memory_limit(spec, status, Role::kWorker, 0), 0u);
  spec.workers.pod_template = json::parse(
      R"({"spec":{"containers":[{"name":"main","resources":{"limits":{"memory":"1Gi"}}}]}})");
  EXPECT_EQ(memory_limit(spec, status, Role::kWorker, 1), 1024 * kMiB);
}

}  // namespace
}  // namespace ballast::kube
