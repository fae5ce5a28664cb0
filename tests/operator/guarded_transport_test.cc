#include "operator/cluster/guarded_transport.h"

#include <thread>

#include <gmock/gmock.h>

#include "tests/operator/fake_api_server.h"

namespace ballast::cluster {
namespace {

using kube::HttpRequest;
using ::testing::IsEmpty;

const HttpRequest kCreate{"POST", "/api/v1/namespaces/n/pods", R"({"metadata":{"name":"a"}})"};
const HttpRequest kRead{"GET", "/api/v1/namespaces/n/pods/a", "", ""};

TEST(GuardedTransport, WritesNothingOnceThisProcessDoesNotLead) {
  const auto server = std::make_shared<FakeApiServer>();
  bool leads = false;
  GuardedTransport transport(server, {[&] { return leads; }, nullptr});
  EXPECT_FALSE(transport.send(kCreate, {}));
  EXPECT_THAT(server->writes(), IsEmpty());
  EXPECT_EQ(transport.send(kRead, {})->status, 404) << "reading is harmless";
  leads = true;
  EXPECT_EQ(transport.send(kCreate, {})->status, 201);
}

TEST(GuardedTransport, CountsWhatWasAnsweredAndWhatWasNot) {
  const auto server = std::make_shared<FakeApiServer>();
  std::vector<int> statuses;
  GuardedTransport transport(
      server, {nullptr, [&](const std::string&, int status, std::optional<double> seconds) {
                 statuses.push_back(status);
                 EXPECT_GE(seconds.value_or(-1), 0);
               }});
  EXPECT_TRUE(transport.send(kRead, {}));
  server->set_fault([](const HttpRequest&) -> std::optional<Result<kube::HttpAnswer>> {
    return fail(ErrorCode::kTimeout, "away");
  });
  EXPECT_FALSE(transport.send(kRead, {}));
  EXPECT_EQ(statuses, (std::vector<int>{404, 0}));
}

TEST(GuardedTransport, AServerThatAsksForPatienceGetsIt) {
  const auto server = std::make_shared<FakeApiServer>();
  int refused = 0;
  server->set_fault([&](const HttpRequest&) -> std::optional<Result<kube::HttpAnswer>> {
    if (++refused > 3) return std::nullopt;
    return kube::HttpAnswer{refused == 2 ? 503 : 429, "{}", 20};
  });
  GuardedTransport transport(server, {});
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(transport.send(kCreate, {})->status, 201);
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(60));
  EXPECT_EQ(server->writes().size(), 1U);
  refused = 0;
  EXPECT_EQ(transport.send(kRead, {})->status, 429) << "whoever follows a kind waits by itself";
}

TEST(GuardedTransport, AStopEndsTheWaitForAServerThatAsksForPatience) {
  const auto server = std::make_shared<FakeApiServer>();
  GuardedTransport transport(server, {});
  server->set_fault([&](const HttpRequest&) -> std::optional<Result<kube::HttpAnswer>> {
    transport.stop();
    return kube::HttpAnswer{429, "{}", 3'600'000};
  });
  EXPECT_FALSE(transport.send(kCreate, {}));
  EXPECT_THAT(server->writes(), IsEmpty());
}

TEST(GuardedTransport, AStopEndsWhatIsInFlightAndRefusesTheRest) {
  const auto server = std::make_shared<FakeApiServer>();
  GuardedTransport transport(server, {});
  std::jthread watching([&] {
    const auto ended =
        transport.stream({"GET", "/api/v1/pods?watch=true&resourceVersion=100", "", ""},
                         [](std::string_view) { return true; }, {});
    EXPECT_FALSE(ended);
  });
  transport.stop();
  watching.join();
  EXPECT_FALSE(transport.send(kRead, {}));
}

}  // namespace
}  // namespace ballast::cluster
