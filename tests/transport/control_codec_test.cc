// Control messages survive the wire; frames that are inconsistent in themselves are refused by
// field.
#include "services/transport/control_codec.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace ballast {
namespace {

Layout a_layout() {
  return make_layout({{.name = "w",
                       .shape = {5, 7},
                       .group = ParameterGroup::kDecay,
                       .offset = 0,
                       .elements = 0},
                      {.name = "b",
                       .shape = {5},
                       .group = ParameterGroup::kNoDecay,
                       .offset = 0,
                       .elements = 0}})
      .value();
}
JobIdentity an_identity() {
  return {.layout = a_layout(),
          .layout_hash = layout_hash(a_layout()),
          .data_fingerprint = std::string("\xff\x00 any bytes", 12),
          .numerics_fingerprint = "n",
          .tokenizer_files = {{"vocab.json", std::string("{\0\xff}", 4)}, {"merges.txt", ""}}};
}
Record a_record() {
  return {.step = 3,
          .map = {1, 2},
          .origin = 1,
          .plan = 9,
          .apply = false,
          .scale = 0.1f,
          .learning_rate = 1e-30f,
          .bias_correction1 = 0.3f,
          .bias_correction2 = 0.7f,
          .applied_steps = 4,
          .skipped_in_a_row = 5,
          .training = {.loss = 0.1, .tokens = 8},
          .gradient_norm = 1e300,
          .evaluation = LossSum{.loss = 2.5, .tokens = 1}};
}
SegmentMap a_map() {
  return {.version = {4, 5},
          .servers = {{.id = {"ps-0", 1}, .address = "a", .node = "n0"},
                      {.id = {"ps-1", 2}, .address = "b", .node = "n1"}},
          .segments = {{.primary = 1, .backups = {0}, .joining = {}},
                       {.primary = 0, .backups = {}, .joining = {1}}}};
}
MemberList a_list() { return {.number = 3, .members = a_map().servers}; }
TrainingSettings training() {
  TrainingSettings settings;
  settings.steps = 10;
  settings.microbatches = 8;
  settings.optimizer = {.kind = kLastOptimizer,
                        .learning_rate = 0.1,
                        .weight_decay = 0.2,
                        .beta1 = 0.3,
                        .beta2 = 0.4,
                        .epsilon = 0.5,
                        .momentum = 0.6,
                        .alpha = 0.7};
  settings.schedule = {kLastSchedule, 1, 2, 0.3, 4};
  settings.gradient_clip = 1.5;
  settings.checkpoint_path = "/c";
  settings.checkpoint_every = 5;
  settings.checkpoint_every_ms = 6;
  settings.job_name = "tiny";
  settings.job_config = "{}";
  settings.seed = 1337;
  return settings;
}

std::vector<Message> every_control_message() {
  return {
      Appoint{1,
              a_list(),
              2,
              StartKind::kRestore,
              3,
              "/dir",
              training(),
              {{"ps-1", 9}},
              true,
              {{"worker-1", 3}},
              {{"ps-0", 0}, {"ps-1", 7}}},
      MembersChanged{1, a_list()},
      OriginComplete{1, 2},
      PlanChanged{
          1, 2, {{"ps-1", 9}, {"ps-2", 8}}, true, training(), {{"worker-0", 5}}, {{"ps-1", 1}}},
      AskRemove{1, 2, {"ps-1", 9}, "why", true, 5},
      AskOrigin{1, 2},
      Progress{.term = 1,
               .phase = JobPhase::kTraining,
               .step = 7,
               .last = a_record(),
               .evaluation = LossSum{1.5, 2},
               .evaluation_version = 6,
               .workers = 3,
               .skipped = 1,
               .degraded = true,
               .members = 12,
               .checkpoint = "c",
               .failure = "f",
               .checkpoint_failure = "g",
               .plan = 11},
      VerifyCheckpoint{1, "/c", "/c/step-1-term-1-attempt-1"},
      DeleteCheckpoint{1, "/c", "/c/step-1-term-1-attempt-1"},
      FindCheckpoint{1, "/c", "{}"},
      CheckpointVerified{"/c/a", "why", {"/c/b", "/c/d"}},
      CheckpointDeleted{"/c/a", "why"},
      CheckpointsFound{"/c", "why", "/c/a", {"/c/0", "/c/a"}, {{"/c/z", "torn"}}, {"/c/y"}, 7},
      Seal{1, {{"ps-0", 4}, "", ""}, 5},
      SealRefused{8},
      Sealed{1, an_identity(), {ReplicaReport{1, {2, 3}, 4, 5, true, true}}, {a_record()}, a_map()},
      MapUpdate{1, 2, a_map(), an_identity(), training(), Restore{"/from", 3, a_record()}},
      MapAck{1, {2, 3}},
      InitialisedReport{1, 2, {3, 4}, {0, 5, 9}},
      Prepared{1, {2, 3}, 4, 5, {6, 7}, 8.5, false, 0xfedcba9876543210},
      OfferRecord{1, a_record()},
      RecordHeld{1, 2},
      Commit{1, a_record()},
      Applied{1, {2, 3}, 4},
      CaughtUp{1, {2, 3}, 4, 5, true},
      WriteCheckpoint{1, 2, 3, "dir", {4, 5}},
      CheckpointWritten{1, 2, 3, CheckpointPart{4, {4, 5}, "file", 6, "sum"}, ""},
      Join{an_identity(), "build"},
      JoinAccepted{1, 2},
      JoinRefused{RefusalCode::kOtherData, "other data"},
      Redirect{1, Member{{"ps-0", 1}, "a", "n"}},
      Assignment{1, 2, 3, 4, {5, 6}, {0, 1, 7}, {2}, {3}},
      EvaluationDone{1, 2, 3, 4, {5.5, 6}},
      WorkerHeartbeat{1, 2, 3, {4, 5}, true},
      Finish{1, true, "reason"}};
}

TEST(ControlCodec, EveryMessageComesBack) {
  const std::vector<Message> all = every_control_message();
  EXPECT_EQ(all.size() + 10, std::variant_size_v<Message>);  // and ten on the data plane
  for (const Message& message : all) {
    const v1::Frame frame = encode_frame({{"a", 1}, {"b", 2}, message});
    const auto decoded = decode_frame(frame);
    ASSERT_TRUE(decoded) << message_name(message) << ": " << decoded.error().message;
    EXPECT_EQ(decoded->from, (ProcessId{"a", 1}));
    EXPECT_EQ(decoded->to, (ProcessId{"b", 2}));
    EXPECT_EQ(decoded->message.index(), message.index());
    const v1::Frame again = encode_frame(*decoded);
    EXPECT_EQ(again.SerializeAsString(), frame.SerializeAsString()) << message_name(message);
  }
}

TEST(ControlCodec, EveryTrainingSettingComesBack) {
  const auto frame = encode_frame(
      {{"a", 1}, {"b", 2}, Appoint{1, a_list(), 2, StartKind::kInitialise, 0, "", training()}});
  const auto decoded = decode_frame(frame);
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(std::get<Appoint>(decoded->message).training, training());
}

TEST(ControlCodec, TheIdentityComesBack) {
  const auto decoded = decode_frame(encode_frame({{"a", 1}, {"b", 2}, Join{an_identity(), "b"}}));
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(std::get<Join>(decoded->message).identity, an_identity());
}

TEST(ControlCodec, OptimizersAreNamedAsInTheirTable) {
  EXPECT_EQ(static_cast<size_t>(v1::OptimizerKind_ARRAYSIZE), optimizer_table().size());
  for (const OptimizerInfo& info : optimizer_table()) {
    std::string expected = "OPTIMIZER_";
    for (const char c : info.name) expected += static_cast<char>(std::toupper(c));
    EXPECT_EQ(v1::OptimizerKind_Name(static_cast<v1::OptimizerKind>(info.kind)), expected);
  }
}

TEST(ControlCodec, HelloComesBack) {
  const Hello hello{.from = {"ps-0", 5},
                    .protocol = 3,
                    .build = "b",
                    .job_uid = "j",
                    .role = Role::kServer,
                    .process_id = 12,
                    .address = "unix:/x",
                    .session = 99};
  const auto decoded = decode_hello(encode_hello(hello, {}));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->from, hello.from);
  EXPECT_EQ(decoded->build, "b");
  EXPECT_EQ(decoded->role, Role::kServer);
  EXPECT_EQ(decoded->session, 99u);
}

TEST(ControlCodec, RefusesWhatIsInconsistent) {
  const auto error_of = [](const v1::Frame& frame) {
    const auto decoded = decode_frame(frame);
    return decoded ? std::string("accepted") : decoded.error().message;
  };
  const auto frame_of = [](const Message& message) {
    return encode_frame({{"a", 1}, {"b", 2}, message});
  };

  v1::Frame map = frame_of(MapUpdate{1, 2, a_map(), an_identity(), training()});
  map.mutable_map_update()->mutable_map()->mutable_segments(1)->set_primary(9);
  EXPECT_EQ(error_of(map), "map.segments[1].primary: 9 is not below 2");

  v1::Frame join = frame_of(Join{an_identity(), ""});
  join.mutable_join()->mutable_identity()->mutable_layout()->mutable_tensors(1)->set_offset(1);
  EXPECT_NE(error_of(join).find("identity.layout"), std::string::npos);
  for (const char* name : {"", "../x", ".x", "a/b"}) {
    join = frame_of(Join{an_identity(), ""});
    join.mutable_join()->mutable_identity()->mutable_tokenizer_files(0)->set_name(name);
    EXPECT_NE(error_of(join).find("identity.tokenizer_files"), std::string::npos) << name;
  }
  join = frame_of(Join{an_identity(), ""});
  for (int i = 0; i < 20; ++i) join.mutable_join()->mutable_identity()->add_tokenizer_files();
  EXPECT_NE(error_of(join).find("are more than 16"), std::string::npos);
  join = frame_of(Join{an_identity(), ""});
  join.mutable_join()->mutable_identity()->set_layout_hash(1);
  EXPECT_NE(error_of(join).find("identity.layout_hash"), std::string::npos);

  v1::Frame appoint = frame_of(Appoint{1, a_list(), 2, StartKind::kInitialise, 0, "", training()});
  appoint.mutable_appoint()->mutable_training()->set_microbatches(3);
  EXPECT_NE(error_of(appoint).find("training.microbatches: 3"), std::string::npos);
  appoint = frame_of(Appoint{1, a_list(), 2, StartKind::kInitialise, 0, "", training()});
  appoint.mutable_appoint()->set_start(static_cast<v1::StartKind>(7));
  EXPECT_EQ(error_of(appoint), "appoint.start: 7 is unknown");
  appoint = frame_of(Appoint{1, a_list(), 2, StartKind::kInitialise, 0, "", training()});
  appoint.mutable_appoint()->mutable_members()->mutable_members()->SwapElements(0, 1);
  EXPECT_EQ(error_of(appoint), "members: are not ascending");

  v1::Frame verify = frame_of(VerifyCheckpoint{1, "/c", "/c/a"});
  verify.mutable_verify_checkpoint()->set_directory(std::string(20'000, 'x'));
  EXPECT_EQ(error_of(verify), "verify_checkpoint.directory: has more than 16384 bytes");
  v1::Frame found = frame_of(CheckpointsFound{});
  for (int i = 0; i < 5'000; ++i) found.mutable_checkpoints_found()->add_complete("/c/a");
  EXPECT_EQ(error_of(found), "checkpoints_found.complete: are more than 4096");

  EXPECT_NE(error_of(v1::Frame()).find("no message"), std::string::npos);
}

// Damaged bytes of real messages: refused by protobuf or by us, or a sound message; never a crash.
RC_GTEST_PROP(ControlCodec, DamageNeverCrashes, (uint32_t position, uint8_t value)) {
  for (const Message& message : every_control_message()) {
    std::string bytes = encode_frame({{"a", 1}, {"b", 2}, message}).SerializeAsString();
    bytes[position % bytes.size()] = static_cast<char>(value);
    v1::Frame frame;
    if (!frame.ParseFromString(bytes)) continue;
    const auto decoded = decode_frame(frame);
    if (decoded) (void)encode_frame(*decoded);
  }
}

}  // namespace
}  // namespace ballast
