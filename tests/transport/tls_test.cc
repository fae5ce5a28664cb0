// Who is let in over TLS and who is not, as its certificate says; and certificates that are
// renewed, or end, while processes run. Real sockets.
#include <algorithm>

#include <gmock/gmock.h>

#include "tests/transport/test_end.h"
#include "tests/transport/tls_files.h"

namespace ballast {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kAFewSecondsMs = 4000;

class Tls : public testing::Test {
 protected:
  Security files(const std::string& name, const Leaf& leaf) {
    return write_files(folder_.path(), name, identity_for(authority_, leaf));
  }
  End server_with(const Security& security) {
    TransportLimits limits;
    limits.reload_ms = 1000;
    return make_end("ps-0", Role::kServer, "127.0.0.1:0", "job", security, limits);
  }
  End worker_with(const Security& security, const std::string& job = "job",
                  const std::string& name = "worker-0") {
    TransportLimits limits;
    limits.reload_ms = 1000;
    return make_end(name, Role::kWorker, {}, job, security, limits);
  }
  // Calls, until a reason is known why that does not lead to a session.
  static std::string why_not(End& caller, End& server) {
    const std::string address = server.transport->address();
    caller.transport->connect(address);
    EXPECT_TRUE(poll_until({&caller, &server},
                           [&] { return !caller.transport->last_failure(address).empty(); }));
    EXPECT_EQ(caller.find<PeerUp>(), nullptr);
    return caller.transport->last_failure(address);
  }
  static bool connects(End& caller, End& server, std::vector<End*> others = {}) {
    caller.transport->connect(server.transport->address());
    others.insert(others.end(), {&caller, &server});
    return poll_until(others, [&] { return caller.find<PeerUp>() != nullptr; });
  }

  TestFolder folder_;
  const certificates::KeyPair authority_ = test_authority();
  const Security server_ = files("server", {.role = certificates::Role::kServer});
  const Security worker_ = files("worker", {.role = certificates::Role::kWorker});
};

TEST_F(Tls, WhoBelongsToTheJobIsLetIn) {
  End server = server_with(server_);
  End worker = worker_with(worker_);
  EXPECT_TRUE(connects(worker, server));
}

TEST_F(Tls, AWorkersKeyCannotActAsServerOrOperator) {
  End server = server_with(server_);
  for (const Role role : {Role::kServer, Role::kOperator}) {
    End thief = make_end("thief", role, {}, "job", worker_);
    EXPECT_THAT(why_not(thief, server), HasSubstr("certificate that it is a worker"));
    EXPECT_NE(thief.find<PeerRefused>(), nullptr);
  }
  EXPECT_EQ(server.find<PeerUp>(), nullptr);
}

// Twice kept apart: by what the key may be used for, and by the name in the certificate.
TEST_F(Tls, AWorkersKeyCannotListenAsServer) {
  End thief = server_with(worker_);
  End worker = worker_with(worker_);
  EXPECT_THAT(why_not(worker, thief), HasSubstr("certificate"));
  EXPECT_EQ(thief.find<PeerUp>(), nullptr);

  End forger = server_with(files(
      "forger", {.role = certificates::Role::kServer,
                 .uri = certificates::identity_uri("n", "job", certificates::Role::kWorker)}));
  End other = worker_with(worker_);
  EXPECT_THAT(why_not(other, forger), HasSubstr("answers a worker of job 'job'"));
}

TEST_F(Tls, AnotherJobsWorkerIsRefused) {
  const Security theirs = files("theirs", {.role = certificates::Role::kWorker, .job = "theirs"});
  End server = server_with(server_);
  End honest = worker_with(theirs, "theirs");
  EXPECT_THAT(why_not(honest, server), HasSubstr("expected a server of job 'theirs'"));
  EXPECT_EQ(honest.find<PeerRefused>(), nullptr) << "its own server may have the address again";
  End liar = worker_with(theirs, "job");
  EXPECT_THAT(why_not(liar, server), HasSubstr("its certificate to job 'theirs'"));
  EXPECT_EQ(server.find<PeerUp>(), nullptr);
  EXPECT_GE(server.transport->counters().refused_peers, 2U);
}

TEST_F(Tls, ACertificateOfAnotherAuthorityOpensNothing) {
  End server = server_with(server_);
  End stranger =
      worker_with(write_files(folder_.path(), "stranger",
                              identity_for(test_authority(), {.role = certificates::Role::kWorker},
                                           authority_.certificate)));
  why_not(stranger, server);
  EXPECT_EQ(server.find<PeerUp>(), nullptr);
}

TEST_F(Tls, ACertificateWithoutAnIdentityOpensNothing) {
  End server = server_with(server_);
  End nobody = worker_with(
      files("nobody", {.role = certificates::Role::kWorker, .uri = "https://ballast/job/worker"}));
  why_not(nobody, server);
  EXPECT_EQ(server.find<PeerUp>(), nullptr);
}

TEST_F(Tls, PlaintextGetsNowhere) {
  End server = server_with(server_);
  End plain =
      worker_with({.tls_certificate = {}, .tls_key = {}, .tls_ca = {}, .trusted_network = true});
  why_not(plain, server);
  EXPECT_EQ(server.find<PeerUp>(), nullptr);
}

// ---- over time
// -----------------------------------------------------------------------------------

int64_t times_read(const End& end) {
  return std::count_if(end.events.begin(), end.events.end(), [](const TransportEvent& event) {
    const auto* news = std::get_if<CertificateNews>(&event);
    return news != nullptr && news->kind == CertificateNews::Kind::kRead;
  });
}

// The server goes over to another authority, which the late worker alone has; nobody is restarted,
// and the connection that stands carries on.
TEST_F(Tls, WhatIsRenewedIsUsedWithoutARestart) {
  const certificates::KeyPair next = test_authority();
  End server = server_with(server_);
  End early = worker_with(worker_);
  ASSERT_TRUE(connects(early, server));
  const Security late_files = write_files(
      folder_.path(), "late", identity_for(next, {.role = certificates::Role::kWorker}));
  End late = worker_with(late_files, "job", "worker-1");
  why_not(late, server);

  write_files(folder_.path(), "server", identity_for(next, {}, authority_.certificate));
  ASSERT_TRUE(connects(late, server, {&early}));
  EXPECT_TRUE(poll_until({&server, &early, &late}, [&] { return times_read(server) == 2; }));

  EXPECT_EQ(server.find<PeerDown>(), nullptr);
  early.transport->send(server.self.from, Join{{}, "b"});
  ASSERT_TRUE(
      poll_until({&server, &early, &late}, [&] { return server.arrived<Join>() != nullptr; }));
  EXPECT_EQ(server.arrived<Join>()->envelope.from, early.self.from);

  // As caller, too: the early worker learns whom to believe, and calls a server of the next one.
  End other = server_with(
      write_files(folder_.path(), "other", identity_for(next, {}, authority_.certificate)));
  early.events.clear();
  early.transport->connect(other.transport->address());
  write_files(folder_.path(), "worker",
              identity_for(authority_, {.role = certificates::Role::kWorker}, next.certificate));
  EXPECT_TRUE(
      poll_until({&server, &early, &other}, [&] { return early.find<PeerUp>() != nullptr; }));
}

TEST_F(Tls, WithAnEndedCertificateNobodyBegins) {
  const Security ended = files("ended", {.life_ms = -1000});
  const auto made = make_grpc_transport({.self = test_hello("ps-0", "job", Role::kServer),
                                         .listen = "127.0.0.1:0",
                                         .advertise = {},
                                         .security = ended,
                                         .limits = {}});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kUnavailable)
      << "it may have been renewed by the next try";
  EXPECT_THAT(made.error().message, HasSubstr(ended.tls_certificate));
  EXPECT_THAT(made.error().message, HasSubstr("spiffe://ballast/default/job/server ended at"));
}

TEST_F(Tls, FilesThatDoNotBelongTogetherAreTold) {
  const auto error_with = [](const Security& security) {
    const auto made = make_grpc_transport({.self = test_hello("ps-0", "job", Role::kServer),
                                           .listen = "127.0.0.1:0",
                                           .advertise = {},
                                           .security = security,
                                           .limits = {}});
    EXPECT_FALSE(made);
    return made ? Error{} : made.error();
  };
  Security mixed = server_;
  mixed.tls_key = worker_.tls_key;
  EXPECT_EQ(error_with(mixed).code, ErrorCode::kUnavailable);
  EXPECT_THAT(error_with(mixed).message, HasSubstr("not that of the certificate"));
  Security swapped = server_;
  swapped.tls_key = server_.tls_certificate;
  EXPECT_EQ(error_with(swapped).code, ErrorCode::kInvalid);
  Security without = server_;
  without.tls_ca = server_.tls_key;
  EXPECT_EQ(error_with(without).code, ErrorCode::kInvalid);
}

const CertificateNews* ended(const End& end) {
  for (const TransportEvent& event : end.events) {
    const auto* news = std::get_if<CertificateNews>(&event);
    if (news != nullptr && news->kind == CertificateNews::Kind::kEnded) return news;
  }
  return nullptr;
}

// Connections that stand go on; new ones are refused, and both ends can say why.
TEST_F(Tls, ACertificateThatEndsIsToldAndOpensNothingMore) {
  End server = server_with(files("short", {.life_ms = kAFewSecondsMs}));
  End early = worker_with(worker_);
  ASSERT_TRUE(connects(early, server));
  ASSERT_TRUE(poll_until({&server, &early}, [&] { return ended(server) != nullptr; }));
  EXPECT_THAT(ended(server)->text, HasSubstr("spiffe://ballast/default/job/server ended at"));
  End late = worker_with(worker_);
  EXPECT_THAT(why_not(late, server), HasSubstr("certificate"));
  EXPECT_EQ(server.find<PeerDown>(), nullptr);
  early.transport->send(server.self.from, Join{{}, "b"});
  EXPECT_TRUE(poll_until({&server, &early}, [&] { return server.arrived<Join>() != nullptr; }));
}

TEST_F(Tls, AWorkerWhoseCertificateHasEndedIsRefused) {
  End server = server_with(server_);
  End worker =
      worker_with(files("short", {.role = certificates::Role::kWorker, .life_ms = kAFewSecondsMs}));
  ASSERT_TRUE(poll_until({&worker}, [&] { return ended(worker) != nullptr; }));
  why_not(worker, server);
  EXPECT_EQ(worker.find<PeerRefused>(), nullptr) << "it may be renewed";
  EXPECT_EQ(server.find<PeerUp>(), nullptr);

  // It is: nobody was restarted.
  files("short", {.role = certificates::Role::kWorker});
  EXPECT_TRUE(poll_until({&server, &worker}, [&] { return worker.find<PeerUp>() != nullptr; }));
}

}  // namespace
}  // namespace ballast
