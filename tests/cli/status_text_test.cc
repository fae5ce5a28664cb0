// How a job stands, for people.
#include "operator/cmd/status_text.h"

#include <gmock/gmock.h>

namespace ballast::cmd {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

JobView some_job() {
  JobView job;
  job.job_name = "my-job";
  job.place_kind = "namespace";
  job.place = "team";
  job.running = true;
  job.status.plan_number = 3;
  job.status.origin = 1;
  job.status.term = 2;
  job.status.coordinator = "ps-1";
  job.status.members.resize(2);
  job.status.members[0].name = "ps-0";
  job.status.members[1].name = "ps-1";
  job.status.planned_steps = 100;
  job.status.planned_servers = 2;
  job.status.planned_workers = 4;
  job.status.progress = {.step = 7, .loss = 2.5, .last_checkpoint = "/c/step-5"};
  return job;
}

void set(JobView& job, api::ConditionType type) {
  job.status.conditions = {{type, true, "Reason", "told"}};
}

TEST(StatusText, TellsWhereAndHowFar) {
  const std::string text = status_text(some_job());
  for (const char* part :
       {"my-job: trains, step 7 of 100, loss 2.5000\n", "\n  namespace    team\n",
        "\n  servers      ps-0, ps-1 (2 wanted)\n", "\n  workers      4 wanted\n",
        "\n  coordinator  ps-1, term 2\n", "\n  checkpoint   /c/step-5"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(StatusText, TheOutcomeCountsBeforeEverythingElse) {
  const struct {
    api::ConditionType type;
    const char* state;
  } cases[] = {{api::ConditionType::kSucceeded, "my-job: succeeded,"},
               {api::ConditionType::kFailed, "my-job: failed,"},
               {api::ConditionType::kSuspended, "my-job: suspended,"}};
  for (const auto& [type, state] : cases) {
    JobView job = some_job();
    job.running = false;
    set(job, type);
    EXPECT_THAT(status_text(job), StartsWith(state));
    EXPECT_THAT(status_text(job), HasSubstr("yes: told"));
  }
}

TEST(StatusText, TellsWhyNothingTrains) {
  JobView job = some_job();
  job.status.planned_suspend = true;
  EXPECT_THAT(status_text(job), StartsWith("my-job: is being suspended,"));
  job = some_job();
  job.status.origin = 0;
  EXPECT_THAT(status_text(job), StartsWith("my-job: starts,"));
  job.running = false;
  EXPECT_THAT(status_text(job), StartsWith("my-job: ended without an outcome,"));
  job.status = {};
  EXPECT_THAT(status_text(job), StartsWith("my-job: not seen by an operator yet,"));
}

TEST(StatusText, NamesWhatWasStartedAgain) {
  JobView job = some_job();
  job.status.restarts["worker-1"].total = 3;
  job.status.restarts["worker-2"].total = 0;
  EXPECT_THAT(status_text(job), HasSubstr("\n  restarts     worker-1: 3"));
  EXPECT_THAT(status_text(job), ::testing::Not(HasSubstr("worker-2")));
}

}  // namespace
}  // namespace ballast::cmd
