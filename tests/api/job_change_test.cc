// What an edit of a running job's file may change.
#include "operator/api/job_change.h"

#include <gmock/gmock.h>

namespace ballast::api {
namespace {

using ::testing::HasSubstr;

constexpr const char* kFile = R"(apiVersion: ballast.dev/v1alpha1
kind: TrainingJob
metadata: {name: tiny}
spec:
  data: {train: [/data]}
  training: {steps: 1000, microbatches: 8}
  servers: {replicas: 1}
  workers: {replicas: 2}
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

TrainingJob file() { return read_training_job_yaml(kFile).value(); }

TrainingJob edited(const std::string& from, const std::string& to) {
  auto job = read_edited_yaml(replaced(kFile, from, to), {}, file());
  EXPECT_TRUE(job.has_value());
  return job.value_or(file());
}

TEST(JobChange, TellsWhatDiffersByItsPath) {
  const auto job = edited("replicas: 2", "replicas: 3");
  const Changes changes = changes_between(file(), job);
  EXPECT_EQ(changes, (Changes{{"spec.workers.replicas", 3}}));
  EXPECT_EQ(describe(changes, file()), "spec.workers.replicas: 2 -> 3");
  EXPECT_EQ(changed_job(file(), changes)->spec.workers.replicas, 3);
  EXPECT_TRUE(changes_between(file(), file()).empty());
}

TEST(JobChange, AnEditLeavesWhatWasChangedOtherwise) {
  TrainingJob running = file();
  running.spec.workers.replicas = 5;  // by ballast scale
  const auto changes = changes_between(file(), edited("replicas: 1", "replicas: 2"));
  const auto job = changed_job(running, changes);
  EXPECT_EQ(job->spec.workers.replicas, 5);
  EXPECT_EQ(job->spec.servers.replicas, 2);
}

TEST(JobChange, DerivedDefaultsStayAsTheJobBegan) {
  const auto more = edited("steps: 1000", "steps: 3000");
  EXPECT_EQ(more.spec.training.steps, 3000);
  EXPECT_EQ(more.spec.training.schedule.length_steps, 1000);
  EXPECT_EQ(changes_between(file(), more), (Changes{{"spec.training.steps", 3000}}));
  const auto servers = edited("replicas: 1", "replicas: 2");
  EXPECT_EQ(servers.spec.servers.replication, 1);
}

TEST(JobChange, RefusesWhatARunningJobKeeps) {
  const struct {
    const char* from;
    const char* to;
    const char* problem;
  } rows[] = {
      {"steps: 1000", "steps: 999", "spec.training.steps: found 999; expected at least 1000"},
      {"microbatches: 8", "microbatches: 16",
       "spec.training.microbatches: found 16; expected 8, which a running job keeps"},
      {"{train: [/data]}", "{train: [/other]}", "spec.data.train: found [\"/other\"]"},
      {"name: tiny", "name: other", "metadata.name: found \"other\"; expected \"tiny\""},
      {"replicas: 2}", "replicas: 2, precision: bf16}",
       "spec.workers.precision: found \"bf16\"; expected \"fp32\", which a running job keeps"},
      {"replicas: 1}", "replicas: 2, replication: 2}",
       "spec.servers.replication: found 2; expected 1, which a running job keeps"},
  };
  for (const auto& row : rows) {
    const auto job = changed_job(file(), changes_between(file(), edited(row.from, row.to)));
    ASSERT_FALSE(job.has_value()) << row.to;
    EXPECT_THAT(format(job.error().front()), HasSubstr(row.problem));
  }
}

TEST(JobChange, ValidatesTheWhole) {
  const auto many = changed_job(file(), {{"spec.workers.replicas", 9}});
  ASSERT_FALSE(many.has_value());
  EXPECT_THAT(
      format(many.error().front()),
      HasSubstr("expected at most spec.training.microbatches, which is 8 (9 workers need 16)"));
  EXPECT_FALSE(changed_job(file(), {{"spec.workers.replicas", "three"}}).has_value());
  EXPECT_FALSE(changed_job(file(), {{"spec.nothing", 1}}).has_value());
  EXPECT_FALSE(read_edited_yaml("spec: [", {}, file()).has_value());
}

}  // namespace
}  // namespace ballast::api
