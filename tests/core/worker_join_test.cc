// How a worker finds a coordinator, follows it, and ends.
#include "tests/core/machine_test_helpers.h"

namespace ballast {
namespace {

using namespace core_test;

class Worker : public testing::Test {
 protected:
  Worker()
      : machine_(kWorker0, unknown({"ps-0", "ps-1"}), identity(2), 4, kSegmentElements, "build") {}

  static std::vector<Member> unknown(const std::vector<std::string>& names) {
    std::vector<Member> result;
    for (const std::string& name : names) {
      result.push_back({{name, 0}, "unix:/" + name, ""});
    }
    return result;
  }
  Effects hear(const ProcessId& sender, Message message) {
    return machine_.step(from(sender, std::move(message)), now_);
  }
  Effects tick_after(TimeMs wait) {
    now_ += wait;
    return machine_.step(Tick{}, now_);
  }
  Effects start() { return machine_.start(now_); }
  static PullReply answer(Term term) {
    PullReply reply;
    reply.term = term;
    return reply;
  }

  TimeMs now_ = 1000;
  WorkerMachine machine_;
};

TEST_F(Worker, AsksOneServerAfterTheOtherWithGrowingWaits) {
  EXPECT_EQ(receivers<Join>(start()), (std::vector<ProcessId>{{"ps-0", 0}}));
  EXPECT_TRUE(tick_after(25).empty());
  EXPECT_EQ(receivers<Join>(tick_after(25)), (std::vector<ProcessId>{{"ps-1", 0}}));
  // Everybody was asked once: from now on ever more slowly.
  EXPECT_EQ(receivers<Join>(tick_after(50)), (std::vector<ProcessId>{{"ps-0", 0}}));
  EXPECT_TRUE(tick_after(50).empty());
  EXPECT_EQ(receivers<Join>(tick_after(50)), (std::vector<ProcessId>{{"ps-1", 0}}));
  for (int i = 0; i < 20; ++i) {
    tick_after(1000);
  }
  EXPECT_EQ(sent<Join>(tick_after(1000)).size(), 1u);  // and no rarer than that
}

TEST_F(Worker, AsksThoseThatWereFoundSince) {
  start();
  machine_.step(ServersFound{{{{"ps-2", 0}, "10.0.0.2:7600", ""}}}, now_);
  EXPECT_EQ(receivers<Join>(tick_after(50)), (std::vector<ProcessId>{{"ps-2", 0}}));
  EXPECT_EQ(receivers<Join>(tick_after(1000)), (std::vector<ProcessId>{{"ps-2", 0}}));
}

TEST_F(Worker, FollowsARedirectByName) {
  start();
  EXPECT_TRUE(hear(kPs0, Redirect{0, {}}).empty());  // it does not know yet
  now_ += 40;
  EXPECT_EQ(receivers<Join>(hear(kPs0, Redirect{kTerm, Member{kPs2, "unix:/ps-2", ""}})),
            (std::vector<ProcessId>{{"ps-2", 0}}));
}

TEST_F(Worker, AcceptedOneSendsHeartbeatsAndJoinsAgainWhenTheyGoUnanswered) {
  start();
  EXPECT_EQ(only<WorkerHeartbeat>(hear(kPs1, JoinAccepted{kTerm, kTerm})).term, kTerm);
  EXPECT_EQ(receivers<WorkerHeartbeat>(tick_after(300)), (std::vector<ProcessId>{kPs1}));
  hear(kPs1, JoinAccepted{kTerm, kTerm});
  tick_after(2000);
  EXPECT_TRUE(machine_.state().joined);
  EXPECT_EQ(sent<Join>(tick_after(1100)).size(), 1u);
  EXPECT_FALSE(machine_.state().joined);
}

TEST_F(Worker, LostConnectionToTheCoordinatorAloneMakesItJoinAgain) {
  start();
  hear(kPs1, JoinAccepted{kTerm, kTerm});
  EXPECT_TRUE(machine_.step(PeerLost{kPs0}, now_).empty());
  EXPECT_EQ(sent<Join>(machine_.step(PeerLost{kPs1}, now_)).size(), 1u);
}

TEST_F(Worker, WhoSendsItBackToTheCoordinatorItHasLostIsNotBelieved) {
  start();
  hear(kPs1, JoinAccepted{kTerm, kTerm});
  machine_.step(PeerLost{kPs1}, now_);
  hear(kPs0, Redirect{kTerm, Member{kPs1, "", ""}});
  EXPECT_FALSE(machine_.state().hint);
  hear(kPs0, Redirect{kTerm + 1, Member{kPs0, "", ""}});
  EXPECT_EQ(machine_.state().hint, kPs0);
}

TEST_F(Worker, HigherTermInAnAnswerMakesItJoinAgain) {
  start();
  hear(kPs1, JoinAccepted{kTerm, kTerm});
  EXPECT_TRUE(hear(kPs0, answer(kTerm)).empty());
  EXPECT_EQ(sent<Join>(hear(kPs0, answer(kTerm + 1))).size(), 1u);
}

TEST_F(Worker, LowerTermsAreNotHeard) {
  start();
  hear(kPs1, JoinAccepted{kTerm, kTerm});
  Assignment assignment;
  assignment.term = kTerm - 1;
  assignment.microbatches = {0};
  EXPECT_TRUE(hear(kPs0, assignment).empty());
  EXPECT_TRUE(hear(kPs0, JoinAccepted{kTerm - 1, 1}).empty());
  EXPECT_TRUE(hear(kPs0, Redirect{kTerm - 1, Member{kPs0, "", ""}}).empty());
  EXPECT_TRUE(hear(kPs0, Finish{kTerm - 1, true, "old"}).empty());
  EXPECT_EQ(machine_.state().coordinator, kPs1);
}

TEST_F(Worker, RefusalEndsIt) {
  start();
  const auto end = done<WorkerEnd>(hear(kPs0, JoinRefused{RefusalCode::kOtherData, "other data"}));
  ASSERT_EQ(end.size(), 1u);
  EXPECT_TRUE(end[0].failed);
  EXPECT_TRUE(end[0].refused);
  EXPECT_EQ(end[0].reason, "other data");
  EXPECT_TRUE(tick_after(5000).empty());
}

TEST_F(Worker, FinishedJobEndsItWithoutFailure) {
  start();
  const auto end =
      done<WorkerEnd>(hear(kPs0, JoinRefused{RefusalCode::kFinished, "the job is done"}));
  ASSERT_EQ(end.size(), 1u);
  EXPECT_FALSE(end[0].failed);
}

TEST_F(Worker, FinishEndsIt) {
  start();
  hear(kPs1, JoinAccepted{kTerm, kTerm});
  EXPECT_TRUE(done<WorkerEnd>(hear(kPs1, Finish{kTerm, true, "why"})).at(0).failed);
}

TEST_F(Worker, GivesUpWhenNobodyIsHeardOf) {
  start();
  for (int i = 0; i < 59; ++i) {
    EXPECT_TRUE(done<WorkerEnd>(tick_after(1000)).empty());
  }
  const auto end = done<WorkerEnd>(tick_after(1000));
  ASSERT_EQ(end.size(), 1u);
  EXPECT_TRUE(end[0].failed);
  EXPECT_FALSE(end[0].refused);  // a retry may help
}

TEST_F(Worker, LeavingIsToldAtOnceAndNeedsNobodyBeforeItHasJoined) {
  start();
  EXPECT_FALSE(done<WorkerEnd>(machine_.step(LeaveRequested{}, now_)).at(0).failed);
  WorkerMachine joined(kWorker1, unknown({"ps-0"}), identity(1), 4, kSegmentElements, "build");
  joined.start(now_);
  joined.step(from(kPs0, JoinAccepted{kTerm, kTerm}), now_);
  EXPECT_TRUE(only<WorkerHeartbeat>(joined.step(LeaveRequested{}, now_)).leaving);
}

}  // namespace
}  // namespace ballast
