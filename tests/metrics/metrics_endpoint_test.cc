#include "common/metrics/metrics_endpoint.h"

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include "common/metrics/process_metrics.h"
#include "tests/metrics/http_exchange.h"

namespace ballast {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<MetricsEndpoint> started(MetricsEndpointOptions options) {
  options.listen = "127.0.0.1:0";
  auto endpoint = MetricsEndpoint::start(std::move(options));
  if (!endpoint) throw std::runtime_error(endpoint.error().message);
  return std::move(*endpoint);
}

TEST(MetricsEndpoint, ServesAllRegistriesAsPrometheusText) {
  const auto registry = std::make_shared<prometheus::Registry>();
  auto& steps = prometheus::BuildCounter()
                    .Name("ballast_steps_total")
                    .Help("Steps.")
                    .Register(*registry)
                    .Add({});
  const auto endpoint =
      started({.listen = "",
               .collectables = {registry, process_metrics({.version = "1.2.3", .revision = "abc"})},
               .healthy = {},
               .ready = {}});
  steps.Increment(3);
  const HttpAnswer answer = http_get(endpoint->address(), "/metrics");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.headers, HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(answer.body,
              HasSubstr("# TYPE ballast_steps_total counter\nballast_steps_total 3\n"));
  EXPECT_THAT(answer.body, HasSubstr("ballast_build_info{"));
  EXPECT_THAT(answer.body, HasSubstr("revision=\"abc\""));
}

TEST(MetricsEndpoint, HealthAndReadinessAskEachTime) {
  std::atomic<bool> ready = false;
  const auto endpoint =
      started({.listen = "", .collectables = {}, .healthy = {}, .ready = [&]() -> Result<void> {
                 if (ready) return {};
                 return fail(ErrorCode::kUnavailable, "no coordinator yet");
               }});
  EXPECT_EQ(http_get(endpoint->address(), "/healthz").status, 200);
  const HttpAnswer before = http_get(endpoint->address(), "/readyz");
  EXPECT_EQ(before.status, 503);
  EXPECT_EQ(before.body, "no coordinator yet\n");
  ready = true;
  EXPECT_EQ(http_get(endpoint->address(), "/readyz").status, 200);
}

TEST(MetricsEndpoint, AnExceptionInACallbackIsAnAnswer) {
  const auto endpoint =
      started({.listen = "",
               .collectables = {},
               .healthy = []() -> Result<void> { throw std::runtime_error("broken check"); },
               .ready = {}});
  const HttpAnswer answer = http_get(endpoint->address(), "/healthz");
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.body, "broken check\n");
}

TEST(MetricsEndpoint, IsReadOnlyAndHasNoFiles) {
  const auto endpoint = started({});
  const std::string& address = endpoint->address();
  for (const char* path : {"/", "/index.html", "/../../etc/passwd", "/proc/self/environ",
                           "/%2e%2e/etc/passwd", "/metrics/", "/METRICS"}) {
    const int status = http_get(address, path).status;
    EXPECT_TRUE(status == 404 || status == 400) << path << ": " << status;
  }
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PROPFIND", "MKCOL"}) {
    const HttpAnswer answer =
        http_exchange(address, std::string(method) +
                                   " /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(answer.status, 405) << method;
    EXPECT_THAT(answer.headers, HasSubstr("Allow: GET")) << method;
  }
  EXPECT_EQ(http_get(address, "/metrics?name=x").status, 200);
}

TEST(MetricsEndpoint, SurvivesWhatIsNoRequest) {
  const auto endpoint = started({});
  const std::string& address = endpoint->address();
  for (const std::string& bytes :
       {std::string("\r\n\r\n"), std::string("GET\r\n\r\n"), std::string(64, '\0') + "\r\n\r\n",
        std::string("GET /metrics HTTP/9.9\r\n\r\n"), std::string(100000, 'a'),
        "GET /" + std::string(20000, 'a') + " HTTP/1.1\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nX: " + std::string(20000, 'a') + "\r\n\r\n",
        std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 15)}) {
    EXPECT_NE(http_exchange(address, bytes).status, 200) << bytes.substr(0, 30);
  }
  EXPECT_EQ(http_get(address, "/healthz").status, 200);
}

TEST(MetricsEndpoint, AClientThatGoesAwayHarmsNobody) {
  const auto endpoint = started({});
  for (int i = 0; i < 20; ++i) {
    const Connection connection(endpoint->address());
    connection.send("GET /metrics HTTP/1.1\r\n");
  }
  EXPECT_EQ(http_get(endpoint->address(), "/healthz").status, 200);
}

TEST(MetricsEndpoint, ATakenAddressIsAClearError) {
  const auto first = started({});
  const auto second = MetricsEndpoint::start(
      {.listen = first->address(), .collectables = {}, .healthy = {}, .ready = {}});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(second.error().message,
            "listening at " + first->address() + " for metrics: Address already in use");
}

TEST(MetricsEndpoint, AddressesThatCannotBeAreClearErrors) {
  for (const char* listen : {"", "9100", "127.0.0.1", "127.0.0.1:99999", "no.such.host.invalid:0",
                             "192.0.2.1:0", "127.0.0.1:0,127.0.0.1:0", "127.0.0.1:0s"}) {
    const auto endpoint =
        MetricsEndpoint::start({.listen = listen, .collectables = {}, .healthy = {}, .ready = {}});
    ASSERT_FALSE(endpoint) << listen;
    EXPECT_EQ(endpoint.error().code, ErrorCode::kInvalid)
        << listen << ": " << endpoint.error().message;
    EXPECT_THAT(endpoint.error().message, HasSubstr(listen));
  }
}

TEST(MetricsEndpoint, NamesAndAllInterfacesReportANumericAddress) {
  const auto by_name = MetricsEndpoint::start(
      {.listen = "localhost:0", .collectables = {}, .healthy = {}, .ready = {}});
  ASSERT_TRUE(by_name) << by_name.error().message;
  EXPECT_NE(parse_host_port((*by_name)->address()).value().port, 0);
  const auto everywhere =
      MetricsEndpoint::start({.listen = ":0", .collectables = {}, .healthy = {}, .ready = {}});
  ASSERT_TRUE(everywhere) << everywhere.error().message;
  EXPECT_EQ(parse_host_port((*everywhere)->address()).value().host, "0.0.0.0");
}

TEST(MetricsEndpoint, ManyScrapesWhileMetricsChange) {
  const auto registry = std::make_shared<prometheus::Registry>();
  auto& counter =
      prometheus::BuildCounter().Name("ballast_x_total").Help("x").Register(*registry).Add({});
  const auto endpoint =
      started({.listen = "", .collectables = {registry}, .healthy = {}, .ready = {}});
  std::atomic<int> good = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 20; ++i) {
          counter.Increment();
          good += http_get(endpoint->address(), "/metrics").status == 200;
        }
      });
    }
  }
  EXPECT_EQ(good, 80);
}

TEST(MetricsEndpoint, StopsWithAnIdleConnectionOpen) {
  auto endpoint = started({});
  const Connection idle(endpoint->address());
  EXPECT_EQ(http_get(endpoint->address(), "/healthz").status, 200);
  endpoint.reset();
  EXPECT_EQ(idle.receive(), "");
}

}  // namespace
}  // namespace ballast
