// Two ends of the real transport over unix sockets, TCP and TLS: what is sent arrives, what must
// not talk is refused with a sentence on both sides, and no bytes from outside bring an end down.
#include "services/transport/grpc_transport.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <chrono>
#include <fstream>
#include <functional>

#include "common/address.h"
#include "operator/local/certificates.h"
#include "tests/transport/test_end.h"

namespace ballast {
namespace {

struct Kind {
  const char* name;
  bool tcp;
  bool tls;
};

class Wire : public testing::TestWithParam<Kind> {
 protected:
  Security security(const std::string& role, const std::string& job = "job") {
    if (!GetParam().tcp) return {};
    if (!GetParam().tls)
      return {.tls_certificate = {}, .tls_key = {}, .tls_ca = {}, .trusted_network = true};
    const auto made = local::make_run_certificates(folder_.path(), "default", job).value();
    const local::CertificateFiles& files = role == "server"   ? made.server
                                           : role == "worker" ? made.worker
                                                              : made.operator_role;
    return {.tls_certificate = files.certificate,
            .tls_key = files.key,
            .tls_ca = files.ca,
            .trusted_network = false};
  }
  std::string listen() const { return GetParam().tcp ? "127.0.0.1:0" : folder_.socket("ps.sock"); }

  TestFolder folder_;
};

TEST_P(Wire, CarriesMessagesAndPayloadsBothWays) {
  // One certificate authority for both ends.
  const Security server_security = security("server");
  Security worker_security = server_security;
  if (GetParam().tls) {
    const std::string base = server_security.tls_certificate;
    const auto replace = [](std::string text) {
      const size_t at = text.rfind("server");
      return at == std::string::npos ? text : text.replace(at, 6, "worker");
    };
    worker_security.tls_certificate = replace(worker_security.tls_certificate);
    worker_security.tls_key = replace(worker_security.tls_key);
  }
  End server = make_end("ps-0", Role::kServer, listen(), "job", server_security);
  End worker = make_end("worker-0", Role::kWorker, {}, "job", worker_security);
  worker.transport->connect(server.transport->address());
  worker.transport->send({.name = server.transport->address(), .incarnation = 0}, Join{{}, "b"});
  ASSERT_TRUE(poll_until({&server, &worker}, [&] { return server.arrived<Join>() != nullptr; }))
      << worker.transport->last_failure(server.transport->address());
  EXPECT_EQ(server.arrived<Join>()->envelope.from, worker.self.from);

  auto values = std::make_shared<std::vector<float>>(262144);
  for (size_t i = 0; i < values->size(); ++i) (*values)[i] = static_cast<float>(i) * 0.5f;
  const std::weak_ptr<std::vector<float>> watch = values;
  worker.transport->send(server.self.from,
                         Push{.term = 1,
                              .origin = 2,
                              .map = {3, 4},
                              .step = 5,
                              .node = 6,
                              .segment = 7,
                              .sum = {1.5, 9}},
                         {.values = *values, .owner = values});
  const std::vector<float> expected = *values;
  values.reset();
  ASSERT_TRUE(poll_until({&server, &worker}, [&] { return server.arrived<Push>() != nullptr; }));
  const Arrived& push = *server.arrived<Push>();
  EXPECT_EQ(std::get<Push>(push.envelope.message).segment, 7u);
  ASSERT_EQ(push.payload.bytes(), expected.size() * 4);
  std::vector<float> received(expected.size());
  copy_payload(received, push.payload);
  EXPECT_EQ(received, expected);
  EXPECT_TRUE(poll_until({&server, &worker}, [&] { return watch.expired(); }))
      << "memory is not released";

  server.transport->send(worker.self.from, PushAck{.term = 1,
                                                   .step = 5,
                                                   .node = 6,
                                                   .segment = 7,
                                                   .status = DataStatus::kOk,
                                                   .map = {},
                                                   .version = 5});
  server.transport->send(worker.self.from, JoinAccepted{1, 2});
  ASSERT_TRUE(poll_until({&server, &worker}, [&] {
    return worker.arrived<PushAck>() != nullptr && worker.arrived<JoinAccepted>() != nullptr;
  }));
  // The end of one is seen by the other.
  worker.transport.reset();
  EXPECT_TRUE(poll_until({&server}, [&] { return server.find<PeerDown>() != nullptr; }));
}

TEST_P(Wire, RefusesAnotherJobOnBothSides) {
  const Security shared = security("server");
  End server = make_end("ps-0", Role::kServer, listen(), "job", shared);
  End other = make_end("ps-1", Role::kServer, {}, "another job", shared);
  other.transport->connect(server.transport->address());
  // Over TLS the caller sees who answers: whose address it was may have it again.
  const auto failure = [&] { return other.transport->last_failure(server.transport->address()); };
  ASSERT_TRUE(poll_until({&server, &other}, [&] { return !failure().empty(); }));
  EXPECT_NE(failure().find("another job"), std::string::npos) << failure();
  EXPECT_EQ(other.find<PeerRefused>() == nullptr, GetParam().tls);
  EXPECT_GE(server.transport->counters().refused_peers, 1u);
  EXPECT_EQ(server.find<PeerUp>(), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Wire,
                         testing::Values(Kind{"unix", false, false}, Kind{"tcp", true, false},
                                         Kind{"tls", true, true}),
                         [](const auto& kind) { return kind.param.name; });

// ---- where a server listens
// ---------------------------------------------------------------------------

Error listen_error(const std::string& address, Security security = {}) {
  auto made = make_grpc_transport({.self = test_hello("ps-0", "job", Role::kServer),
                                   .listen = address,
                                   .advertise = {},
                                   .security = security,
                                   .limits = {}});
  EXPECT_FALSE(made) << address;
  return made ? Error{} : made.error();
}

const Security kTrusted{
    .tls_certificate = {}, .tls_key = {}, .tls_ca = {}, .trusted_network = true};

TEST(Listen, RefusesAPortThatIsTaken) {
  End first = make_end("ps-0", Role::kServer, "127.0.0.1:0", "job", kTrusted);
  const Error error = listen_error(first.transport->address(), kTrusted);
  EXPECT_EQ(error.code, ErrorCode::kAlreadyExists);
  EXPECT_NE(error.message.find(first.transport->address()), std::string::npos);
}

TEST(Listen, RefusesASocketOfALiveProcessAndTakesADeadOnes) {
  const TestFolder folder;
  const std::string address = folder.socket("ps.sock");
  {
    End first = make_end("ps-0", Role::kServer, address);
    const Error error = listen_error(address);
    EXPECT_EQ(error.code, ErrorCode::kAlreadyExists);
    EXPECT_NE(error.message.find("live process"), std::string::npos);
  }
  // A socket file that nobody serves, as kill -9 leaves it.
  const std::string path = address.substr(5);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), name.sun_path);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
  ::close(fd);
  ASSERT_TRUE(std::filesystem::exists(path));
  EXPECT_NE(make_end("ps-0", Role::kServer, address).transport, nullptr);
}

TEST(Listen, RefusesAFolderThatOthersCanEnter) {
  const TestFolder folder;
  ::chmod(folder.path().c_str(), 0755);
  const Error error = listen_error(folder.socket("ps.sock"));
  EXPECT_EQ(error.code, ErrorCode::kDenied);
  EXPECT_NE(error.message.find("0755"), std::string::npos);
}

TEST(Listen, RefusesTcpWithoutTlsUnlessTrusted) {
  EXPECT_EQ(listen_error("127.0.0.1:0").code, ErrorCode::kInvalid);
  EXPECT_EQ(listen_error("unix:relative/path").code, ErrorCode::kInvalid);
  EXPECT_EQ(listen_error("unix:/" + std::string(200, 'x')).code, ErrorCode::kInvalid);
  EXPECT_EQ(listen_error("nonsense", kTrusted).code, ErrorCode::kInvalid);
  EXPECT_EQ(
      listen_error(
          "127.0.0.1:0",
          {.tls_certificate = "/missing", .tls_key = {}, .tls_ca = {}, .trusted_network = false})
          .code,
      ErrorCode::kInvalid);
  EXPECT_EQ(listen_error("127.0.0.1:0", {.tls_certificate = "/missing",
                                         .tls_key = "/missing",
                                         .tls_ca = "/missing",
                                         .trusted_network = false})
                .code,
            ErrorCode::kNotFound);
}

// ---- strangers
// ----------------------------------------------------------------------------------------

int connect_tcp(const std::string& address) {
  const HostPort where = *parse_host_port(address);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(where.port);
  ::inet_pton(AF_INET, where.host.c_str(), &name.sin_addr);
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
  return fd;
}

TEST(Strangers, GarbageHarmsNobody) {
  End server = make_end("ps-0", Role::kServer, "127.0.0.1:0", "job", kTrusted);
  for (const std::string& garbage :
       {std::string("GET / HTTP/1.0\r\n\r\n"), std::string(100000, '\xff'),
        std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") + std::string(5000, '\x01')}) {
    const int fd = connect_tcp(server.transport->address());
    (void)::send(fd, garbage.data(), garbage.size(), MSG_NOSIGNAL);
    for (int i = 0; i < 5; ++i) server.poll(2);
    ::close(fd);
  }
  End worker = make_end("worker-0", Role::kWorker, {}, "job", kTrusted);
  worker.transport->connect(server.transport->address());
  EXPECT_TRUE(poll_until({&server, &worker}, [&] { return worker.find<PeerUp>() != nullptr; }));
}

TEST(Strangers, MoreSessionsThanAllowedAreRefused) {
  TransportLimits limits;
  limits.sessions = 2;
  const TestFolder folder;
  End server = make_end("ps-0", Role::kServer, folder.socket("ps.sock"), "job", {}, limits);
  End a = make_end("worker-0", Role::kWorker);
  End b = make_end("worker-1", Role::kWorker);
  a.transport->connect(server.transport->address());
  b.transport->connect(server.transport->address());
  ASSERT_TRUE(poll_until({&server, &a, &b}, [&] { return a.find<PeerUp>() && b.find<PeerUp>(); }));
  End c = make_end("worker-2", Role::kWorker);
  c.transport->connect(server.transport->address());
  const auto failure = [&] { return c.transport->last_failure(server.transport->address()); };
  ASSERT_TRUE(poll_until({&server, &a, &b, &c}, [&] { return !failure().empty(); }));
  EXPECT_NE(failure().find("2 sessions"), std::string::npos) << failure();
  // Room again: it gets in by itself.
  a.transport.reset();
  EXPECT_TRUE(poll_until({&server, &b, &c}, [&] { return c.find<PeerUp>() != nullptr; }));
}

TEST(Strangers, AWorkerThatCommitsIsCutOff) {
  const TestFolder folder;
  End server = make_end("ps-0", Role::kServer, folder.socket("ps.sock"));
  End worker = make_end("worker-0", Role::kWorker);
  worker.transport->connect(server.transport->address());
  ASSERT_TRUE(poll_until({&server, &worker}, [&] { return worker.find<PeerUp>() != nullptr; }));
  worker.transport->send(server.self.from, Commit{});
  ASSERT_TRUE(
      poll_until({&server, &worker}, [&] { return worker.find<PeerRefused>() != nullptr; }));
  EXPECT_NE(worker.find<PeerRefused>()->reason.find("may not send Commit"), std::string::npos);
  EXPECT_EQ(server.arrived<Commit>(), nullptr);
  EXPECT_EQ(server.transport->counters().refused_messages, 1u);
}

// ---- lives
// --------------------------------------------------------------------------------------------

TEST(Lives, AnotherLifeUnderTheSameNameReplacesTheFirst) {
  const TestFolder folder;
  End server = make_end("ps-0", Role::kServer, folder.socket("ps.sock"));
  End first = make_end("worker-0", Role::kWorker);
  first.transport->connect(server.transport->address());
  ASSERT_TRUE(poll_until({&server, &first}, [&] { return server.find<PeerUp>() != nullptr; }));
  End second = make_end("worker-0", Role::kWorker);
  second.transport->connect(server.transport->address());
  ASSERT_TRUE(poll_until({&server, &second}, [&] { return server.find<PeerDown>() != nullptr; }));
  EXPECT_EQ(server.find<PeerDown>()->peer, first.self.from);
  ASSERT_TRUE(poll_until({&server, &second}, [&] { return second.find<PeerUp>() != nullptr; }));
}

TEST(Lives, AServerThatComesBackIsFoundAgain) {
  const TestFolder folder;
  const std::string address = folder.socket("ps.sock");
  End worker = make_end("worker-0", Role::kWorker);
  worker.transport->connect(address);
  worker.transport->send({.name = address, .incarnation = 0}, Join{{}, "early"});
  for (int i = 0; i < 20; ++i) worker.poll(5);
  End first = make_end("ps-0", Role::kServer, address);
  ASSERT_TRUE(poll_until({&first, &worker}, [&] { return first.arrived<Join>() != nullptr; }));
  first.transport.reset();
  ASSERT_TRUE(poll_until({&worker}, [&] { return worker.find<PeerDown>() != nullptr; }));
  worker.events.clear();
  End second = make_end("ps-0", Role::kServer, address);
  ASSERT_TRUE(poll_until({&second, &worker}, [&] { return worker.find<PeerUp>() != nullptr; }));
  EXPECT_EQ(worker.find<PeerUp>()->peer.from, second.self.from);
  // What was meant for the first life does not reach the second.
  worker.transport->send(first.self.from, WorkerHeartbeat{});
  worker.transport->send(second.self.from, Join{{}, "late"});
  ASSERT_TRUE(poll_until({&second, &worker}, [&] { return second.arrived<Join>() != nullptr; }));
  EXPECT_EQ(second.arrived<WorkerHeartbeat>(), nullptr);
}

// Whoever waits between two attempts does not go on waiting for a life that others speak of.
TEST(Lives, ANewLifeThatIsHeardOfIsCalledAtOnce) {
  const TestFolder folder;
  const std::string address = folder.socket("ps.sock");
  TransportLimits limits;
  limits.connect_backoff_first_ms = limits.connect_backoff_last_ms = 100 * kPatienceMs;
  End worker = make_end("worker-0", Role::kWorker, {}, "job", {}, limits);
  End first = make_end("ps-0", Role::kServer, address);
  worker.transport->connect(address);
  worker.transport->learn(first.self.from, first.transport->address());
  ASSERT_TRUE(poll_until({&worker, &first}, [&] { return worker.find<PeerUp>() != nullptr; }));
  first.transport.reset();
  ASSERT_TRUE(poll_until({&worker}, [&] { return worker.find<PeerDown>() != nullptr; }));
  worker.events.clear();
  End second = make_end("ps-0", Role::kServer, address);
  worker.transport->learn(first.self.from, second.transport->address());
  for (int i = 0; i < 20; ++i) worker.poll(1);
  EXPECT_EQ(worker.find<PeerUp>(), nullptr) << "nobody spoke of another life";
  worker.transport->learn(second.self.from, second.transport->address());
  ASSERT_TRUE(poll_until({&worker, &second}, [&] { return worker.find<PeerUp>() != nullptr; }));
  EXPECT_EQ(worker.find<PeerUp>()->peer.from, second.self.from);
}

// Over TCP a server that was started again listens on another port.
TEST(Lives, AnyLifeOfANameIsCalledWhereItWasHeardOfLast) {
  const TestFolder folder;
  End worker = make_end("worker-0", Role::kWorker);
  End server = make_end("ps-1", Role::kServer, folder.socket("second.sock"));
  worker.transport->learn({"ps-1", 1}, "unix:" + folder.socket("first.sock"));
  worker.transport->learn(server.self.from, server.transport->address());
  worker.transport->send({.name = "ps-1", .incarnation = 0}, Join{{}, "build"});
  ASSERT_TRUE(poll_until({&server, &worker}, [&] { return server.arrived<Join>() != nullptr; }));
}

TEST(Lives, WakeEndsAPollFromAnotherThread) {
  End worker = make_end("worker-0", Role::kWorker);
  const auto start = std::chrono::steady_clock::now();
  std::jthread waker([&] { worker.transport->wake(); });
  worker.poll(kPatienceMs);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(kPatienceMs / 2));
}

// A life that the job has removed hears of it when it calls; another life under its name does not.
TEST(Expelled, IsToldWhenItCallsAgain) {
  TestFolder folder;
  End coordinator = make_end("ps-0", Role::kServer, folder.socket("ps-0.sock"));
  End removed = make_end("ps-1", Role::kServer, folder.socket("ps-1.sock"));
  const std::string at = coordinator.transport->address();
  removed.transport->learn(coordinator.self.from, at);
  removed.transport->send(coordinator.self.from, MapAck{1, {1, 1}});
  ASSERT_TRUE(poll_until({&coordinator, &removed},
                         [&] { return coordinator.arrived<MapAck>() != nullptr; }));
  coordinator.transport->expel(removed.self.from);
  ASSERT_TRUE(poll_until({&coordinator, &removed}, [&] {
    return coordinator.find<PeerDown>() != nullptr && removed.find<PeerDown>() != nullptr;
  }));
  removed.transport->send(coordinator.self.from, MapAck{1, {1, 1}});
  ASSERT_TRUE(
      poll_until({&coordinator, &removed}, [&] { return removed.find<PeerRefused>() != nullptr; }));
  EXPECT_TRUE(removed.find<PeerRefused>()->expelled);
  EXPECT_NE(removed.find<PeerRefused>()->reason.find("ps-1"), std::string::npos);

  // Called by the other end, it is not heard; the life that follows at the same address is.
  coordinator.events.clear();
  coordinator.transport->learn({"ps-1", 4242}, removed.transport->address());
  coordinator.transport->send({"ps-1", 4242}, Seal{2, {coordinator.self.from, "", ""}, 1});
  removed.transport.reset();
  End next{.self = test_hello("ps-1", "job", Role::kServer), .transport = nullptr, .events = {}};
  next.self.from.incarnation = 4242;
  next.transport = make(next.self, folder.socket("ps-1.sock"));
  ASSERT_TRUE(poll_until({&coordinator, &next}, [&] { return next.arrived<Seal>() != nullptr; }));
  EXPECT_EQ(next.find<PeerRefused>(), nullptr);
}

}  // namespace
}  // namespace ballast
