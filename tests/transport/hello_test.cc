// Who may talk to whom: job, build, protocol, role and certificate.
#include "services/transport/hello.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace ballast {
namespace {

Hello hello(Role role) {
  return {.from = {.name = "peer", .incarnation = 7},
          .protocol = kProtocolVersion,
          .build = "b1",
          .job_uid = "job",
          .role = role,
          .process_id = 1,
          .address = {},
          .session = 1};
}

TEST(Hello, AgreesWithItsLike) {
  EXPECT_TRUE(check_hello(hello(Role::kServer), hello(Role::kWorker)));
}

TEST(Hello, RefusesWithBothSidesValues) {
  const Hello self = hello(Role::kServer);
  Hello other = hello(Role::kWorker);
  const auto refusal = [&] { return check_hello(self, other).error().message; };
  other.job_uid = "job-2";
  EXPECT_NE(refusal().find("job 'job-2'"), std::string::npos);
  EXPECT_NE(refusal().find("job 'job'"), std::string::npos);
  other = hello(Role::kWorker);
  other.build = "b2";
  EXPECT_NE(refusal().find("build 'b2'"), std::string::npos);
  other = hello(Role::kWorker);
  other.protocol = 99;
  EXPECT_NE(refusal().find("protocol version 99"), std::string::npos);
  other = hello(Role::kUnknown);
  EXPECT_NE(refusal().find("no role"), std::string::npos);
  other = hello(Role::kWorker);
  other.from.incarnation = 0;
  EXPECT_NE(refusal().find("no incarnation"), std::string::npos);
}

TEST(Hello, TakesAnOperatorOfAnyBuild) {
  Hello other = hello(Role::kOperator);
  other.build.clear();
  other.from.incarnation = 0;
  EXPECT_TRUE(check_hello(hello(Role::kServer), other));
}

TEST(Identity, IsReadFromTheSan) {
  const auto identity = parse_identity("spiffe://ballast/default/uid-1/worker");
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->name_space, "default");
  EXPECT_EQ(identity->job_uid, "uid-1");
  EXPECT_EQ(identity->role, Role::kWorker);
}

TEST(Identity, RefusesOtherForms) {
  for (const char* uri :
       {"", "spiffe://other/default/uid/worker", "spiffe://ballast/default/uid",
        "spiffe://ballast/default//worker", "spiffe://ballast/default/uid/king",
        "spiffe://ballast/default/uid/worker/more", "http://ballast/a/b/worker"}) {
    EXPECT_FALSE(parse_identity(uri)) << uri;
  }
}

RC_GTEST_PROP(Identity, SoupNeverCrashes, (std::string soup)) {
  (void)parse_identity(soup);
  (void)parse_identity("spiffe://ballast/" + soup);
}

TEST(Identity, BindsRoleAndJob) {
  const PeerIdentity worker{.name_space = "n", .job_uid = "job", .role = Role::kWorker};
  EXPECT_TRUE(check_identity(worker, hello(Role::kWorker)));
  EXPECT_FALSE(check_identity(worker, hello(Role::kServer)));
  EXPECT_FALSE(check_identity(worker, hello(Role::kOperator)));
  Hello other = hello(Role::kWorker);
  other.job_uid = "job-2";
  EXPECT_FALSE(check_identity(worker, other));
}

TEST(Roles, SendOnlyWhatIsTheirs) {
  EXPECT_TRUE(may_send(Role::kWorker, Push{}));
  EXPECT_TRUE(may_send(Role::kWorker, Join{}));
  EXPECT_FALSE(may_send(Role::kWorker, Commit{}));
  EXPECT_FALSE(may_send(Role::kWorker, Appoint{}));
  EXPECT_FALSE(may_send(Role::kWorker, Root{}));
  EXPECT_TRUE(may_send(Role::kServer, Root{}));
  EXPECT_TRUE(may_send(Role::kServer, PushInitial{}));
  EXPECT_TRUE(may_send(Role::kServer, Commit{}));
  EXPECT_FALSE(may_send(Role::kServer, Appoint{}));
  EXPECT_FALSE(may_send(Role::kServer, Push{}));
  EXPECT_TRUE(may_send(Role::kOperator, Appoint{}));
  EXPECT_TRUE(may_send(Role::kOperator, DeleteCheckpoint{}));
  EXPECT_FALSE(may_send(Role::kOperator, CheckpointDeleted{}));
  EXPECT_FALSE(may_send(Role::kServer, DeleteCheckpoint{}));
  EXPECT_TRUE(may_send(Role::kServer, CheckpointDeleted{}));
  EXPECT_FALSE(may_send(Role::kWorker, VerifyCheckpoint{}));
  EXPECT_FALSE(may_send(Role::kOperator, Push{}));
  EXPECT_FALSE(may_send(Role::kOperator, Commit{}));
}

TEST(Messages, HaveTheirNames) {
  EXPECT_EQ(message_name(Appoint{}), "Appoint");
  EXPECT_EQ(message_name(WriteCheckpoint{}), "WriteCheckpoint");
  EXPECT_EQ(message_name(Finish{}), "Finish");
  EXPECT_EQ(message_name(CopyAck{}), "CopyAck");
}

}  // namespace
}  // namespace ballast
