// What a worker does with an assignment: pulls, work, pushes within credits, and all of it again
// where a map, a term or the network made it necessary.
#include "tests/core/machine_test_helpers.h"

namespace ballast {
namespace {

using namespace core_test;

constexpr uint32_t kSegments = 4;

class WorkerData : public testing::Test {
 protected:
  WorkerData()
      : machine_(kWorker0, members({kPs0, kPs1}), identity(kSegments), 4, kSegmentElements, "build",
                 WorkerOptions{.credits_per_server = 2}) {
    machine_.start(now_);
    hear(kPs0, JoinAccepted{kTerm, kTerm});
  }
  Effects hear(const ProcessId& sender, Message message) {
    return machine_.step(from(sender, std::move(message)), now_);
  }
  Effects tick_after(TimeMs wait) {
    now_ += wait;
    return machine_.step(Tick{}, now_);
  }
  // Segments 0..2 on ps-0, segment 3 on ps-1.
  Effects map(uint64_t number, Term term = kTerm, ServerIndex first = 0) {
    return hear(kPs0, MapUpdate{term,
                                kTerm,
                                map_of({term, number}, {kPs0, kPs1},
                                       {{first, {}, {}}, {0, {}, {}}, {0, {}, {}}, {1, {}, {}}}),
                                {},
                                training()});
  }
  Effects initialise(std::vector<SegmentId> segments) {
    Assignment assignment;
    assignment.term = kTerm;
    assignment.origin = kTerm;
    assignment.number = 1;
    assignment.map = {kTerm, 1};
    assignment.initialise = std::move(segments);
    return hear(kPs0, assignment);
  }
  Effects assign(Step step, uint32_t number, std::vector<Microbatch> microbatches,
                 std::vector<uint32_t> evaluations = {}, uint64_t map = 1, Term term = kTerm) {
    Assignment assignment;
    assignment.term = term;
    assignment.origin = kTerm;
    assignment.step = step;
    assignment.number = number;
    assignment.map = {term, map};
    assignment.microbatches = std::move(microbatches);
    assignment.evaluations = std::move(evaluations);
    return hear(kPs0, assignment);
  }
  Effects ready(TreeNode node, SegmentId segment, Step step = 0) {
    return machine_.step(ContributionReady{step, node, segment, {1, 2}}, now_);
  }
  Effects acknowledge(TreeNode node, SegmentId segment, DataStatus status = DataStatus::kOk,
                      Step step = 0, Term term = kTerm) {
    return hear(segment == 3 ? kPs1 : kPs0,
                PushAck{term, step, node, segment, status, {term, 1}, 0});
  }
  Effects reply(SegmentId segment, DataStatus status = DataStatus::kOk, Step step = 0) {
    return hear(segment == 3 ? kPs1 : kPs0,
                PullReply{kTerm, segment, step, status, {kTerm, 1}, step});
  }
  static std::vector<SegmentId> pulled(const Effects& effects) {
    std::vector<SegmentId> segments;
    for (const Pull& pull : sent<Pull>(effects)) {
      segments.push_back(pull.segment);
    }
    return segments;
  }
  static std::vector<SegmentId> pushed(const Effects& effects) {
    std::vector<SegmentId> segments;
    for (const Push& push : sent<Push>(effects)) {
      segments.push_back(push.segment);
    }
    return segments;
  }

  TimeMs now_ = 1000;
  WorkerMachine machine_;
};

using Ids = std::vector<SegmentId>;

TEST_F(WorkerData, PullsFirstSegmentsFirstWithinItsCredits) {
  map(1);
  const Effects effects = assign(0, 1, {0, 1, 2});
  ASSERT_EQ(done<BeginWork>(effects).size(), 1u);
  EXPECT_EQ(done<BeginWork>(effects)[0].nodes, (std::vector<TreeNode>{2, 6}));
  EXPECT_EQ(pulled(effects), (Ids{0, 1, 3}));
  const Effects next = reply(0);
  EXPECT_EQ(done<AcceptParameters>(next).size(), 1u);
  EXPECT_EQ(pulled(next), (Ids{2}));
  EXPECT_TRUE(done<AcceptParameters>(reply(0)).empty());                      // doubled
  EXPECT_TRUE(done<AcceptParameters>(reply(1, DataStatus::kOk, 5)).empty());  // another version
}

TEST_F(WorkerData, PullsInItsPrecision) {
  const auto precision_of = [](WorkerOptions options) {
    WorkerMachine machine(kWorker0, members({kPs0, kPs1}), identity(1), 4, kSegmentElements,
                          "build", options);
    machine.start(1);
    machine.step(from(kPs0, JoinAccepted{kTerm, kTerm}), 1);
    Assignment assignment;
    assignment.term = assignment.origin = kTerm;
    assignment.number = 1;
    assignment.map = {kTerm, 1};
    assignment.microbatches = {0};
    machine.step(from(kPs0, assignment), 1);
    const auto map = map_of({kTerm, 1}, {kPs0}, {{0, {}, {}}});
    return only<Pull>(machine.step(from(kPs0, MapUpdate{kTerm, kTerm, map, {}, training()}), 1))
        .precision;
  };
  EXPECT_EQ(precision_of({}), Precision::kFp32);
  EXPECT_EQ(precision_of({.precision = Precision::kBf16}), Precision::kBf16);
}

TEST_F(WorkerData, WaitsForTheMapThatTheAssignmentNames) {
  const Effects effects = assign(0, 1, {0});
  EXPECT_EQ(done<BeginWork>(effects).size(), 1u);
  EXPECT_TRUE(pulled(effects).empty());
  EXPECT_EQ(pulled(map(1)), (Ids{0, 1, 3}));
  const Effects later = assign(1, 2, {0}, {}, 2);
  EXPECT_TRUE(pulled(later).empty());
  EXPECT_EQ(pulled(map(2)), (Ids{0, 1, 3}));
}

TEST_F(WorkerData, WithoutWorkItPullsNothing) {
  map(1);
  const Effects effects = assign(0, 1, {});
  EXPECT_TRUE(done<BeginWork>(effects).empty());
  EXPECT_TRUE(pulled(effects).empty());
}

TEST_F(WorkerData, NotYetIsAskedAgainOnTheNextTickAndLossLater) {
  map(1);
  assign(0, 1, {0});
  EXPECT_TRUE(pulled(reply(3, DataStatus::kNotYet)).empty());
  EXPECT_EQ(pulled(tick_after(25)), (Ids{3}));
  EXPECT_EQ(pulled(tick_after(1000)), (Ids{0, 1, 3}));
}

TEST_F(WorkerData, FurtherWorkOfAStepIsBegunOnceAndOldAssignmentsAreIgnored) {
  map(1);
  assign(0, 1, {0, 1}, {0});
  const auto more = done<BeginWork>(assign(0, 2, {0, 1, 2, 3}, {0, 1}));
  ASSERT_EQ(more.size(), 1u);
  EXPECT_EQ(more[0].nodes, (std::vector<TreeNode>{3}));
  EXPECT_EQ(more[0].evaluations, (std::vector<uint32_t>{1}));
  EXPECT_TRUE(assign(0, 1, {0}).empty());
  const Effects next = assign(1, 3, {0});
  EXPECT_EQ(done<Discard>(next).size(), 1u);
  EXPECT_TRUE(assign(0, 9, {3}).empty());  // a lower step
}

TEST_F(WorkerData, PushesWithinCreditsAndFreesThemByTheAnswer) {
  map(1);
  assign(0, 1, {0, 1, 2, 3});
  EXPECT_EQ(pushed(ready(1, 3)), (Ids{3}));
  EXPECT_EQ(pushed(ready(1, 2)), (Ids{2}));
  EXPECT_EQ(pushed(ready(1, 1)), (Ids{1}));
  EXPECT_TRUE(pushed(ready(1, 0)).empty());
  EXPECT_TRUE(pushed(ready(1, 3)).empty());  // it is known
  EXPECT_EQ(pushed(acknowledge(1, 2)), (Ids{0}));
  EXPECT_TRUE(pushed(acknowledge(1, 2)).empty());  // doubled: no credit twice
}

TEST_F(WorkerData, PushThatIsNotAnsweredOrNotYetTakenIsSentAgain) {
  map(1);
  assign(0, 1, {0, 1, 2, 3});
  ready(1, 3);
  EXPECT_TRUE(pushed(acknowledge(1, 3, DataStatus::kNotYet)).empty());
  EXPECT_EQ(pushed(tick_after(25)), (Ids{3}));
  EXPECT_EQ(pushed(tick_after(1000)), (Ids{3}));
  acknowledge(1, 3);
  EXPECT_TRUE(pushed(tick_after(1000)).empty());
}

TEST_F(WorkerData, ContributionsOfAnotherStepAreNotPushed) {
  map(1);
  assign(4, 1, {0});
  EXPECT_TRUE(ready(4, 0, 3).empty());
  EXPECT_EQ(pushed(ready(4, 0, 4)), (Ids{0}));
  EXPECT_TRUE(machine_.step(ContributionReady{4, 4, 99, {}}, now_).empty());
}

TEST_F(WorkerData, NewPrimaryGetsWhatTheOldOneHad) {
  map(1);
  assign(0, 1, {0, 1, 2, 3});
  for (const SegmentId segment : {0u, 1u}) {
    ready(1, segment);
    acknowledge(1, segment);
  }
  const Effects moved = map(2, kTerm, 1);  // segment 0 lies on ps-1 now
  EXPECT_EQ(pushed(moved), (Ids{0}));
  EXPECT_EQ(receivers<Push>(moved), (std::vector<ProcessId>{kPs1}));
}

TEST_F(WorkerData, NewTermGetsEverythingAgain) {
  map(1);
  assign(0, 1, {0, 1, 2, 3});
  ready(1, 0);
  acknowledge(1, 0);
  hear(kPs1, JoinAccepted{kTerm + 1, kTerm});
  EXPECT_TRUE(pushed(map(1, kTerm + 1)).empty());  // not before there is an assignment
  const Effects effects = assign(0, 1, {0, 1, 2, 3}, {}, 1, kTerm + 1);
  EXPECT_EQ(pushed(effects), (Ids{0}));
  EXPECT_TRUE(done<BeginWork>(effects).empty());  // that work is done
}

TEST_F(WorkerData, EvaluationSumsAreSentUntilTheStepIsOver) {
  map(1);
  assign(2, 1, {}, {5});
  EXPECT_EQ(only<EvaluationDone>(machine_.step(EvaluationReady{2, 5, {3, 4}}, now_)).index, 5u);
  EXPECT_EQ(sent<EvaluationDone>(tick_after(1000)).size(), 1u);
  EXPECT_TRUE(machine_.step(EvaluationReady{1, 5, {3, 4}}, now_).empty());
  assign(3, 2, {});
  EXPECT_TRUE(sent<EvaluationDone>(tick_after(1000)).empty());
}

TEST_F(WorkerData, InitialValuesAreMadeOnceAndPushedUntilTaken) {
  map(1);
  const auto make = done<MakeInitial>(initialise({0, 3, 99}));
  ASSERT_EQ(make.size(), 1u);
  EXPECT_EQ(make[0].segments, (Ids{0, 3}));
  EXPECT_EQ(receivers<PushInitial>(machine_.step(InitialReady{3}, now_)),
            (std::vector<ProcessId>{kPs1}));
  EXPECT_EQ(sent<PushInitial>(tick_after(1000)).size(), 1u);
  hear(kPs1, PushInitialAck{kTerm, kTerm, {kTerm, 1}, 3, DataStatus::kOk});
  EXPECT_TRUE(sent<PushInitial>(tick_after(1000)).empty());
}

// Of three maps it sees the first and the last, and the one in between took the segment away.
TEST_F(WorkerData, InitialValuesArePushedAgainUnderALaterMap) {
  map(1);
  initialise({3});
  machine_.step(InitialReady{3}, now_);
  hear(kPs1, PushInitialAck{kTerm, kTerm, {kTerm, 1}, 3, DataStatus::kOk});
  const Effects after = map(3);
  EXPECT_EQ(receivers<PushInitial>(after), (std::vector<ProcessId>{kPs1}));
  hear(kPs1, PushInitialAck{kTerm, kTerm, {kTerm, 1}, 3, DataStatus::kOk});  // late
  EXPECT_EQ(sent<PushInitial>(tick_after(1000)).size(), 1u);
  hear(kPs1, PushInitialAck{kTerm, kTerm, {kTerm, 4}, 3, DataStatus::kOk});
  EXPECT_TRUE(sent<PushInitial>(map(4)).empty());
  EXPECT_EQ(sent<PushInitial>(map(5)).size(), 1u);
}

}  // namespace
}  // namespace ballast
