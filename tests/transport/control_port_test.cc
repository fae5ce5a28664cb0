// The operator's session with a server over TLS: only an operator's certificate opens it, and only
// a server's certificate of that job is talked to. A real server, the real client.
#include "operator/local/control_client.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>

#include <gmock/gmock.h>

#include "tests/server/test_server.h"
#include "tests/transport/tls_files.h"

namespace ballast {
namespace {

using certificates::Identity;
using local::ControlClient;
using local::SessionClosed;
using local::SessionOpened;
using ::testing::HasSubstr;

constexpr auto kPatience = std::chrono::seconds(20);

class ControlPort : public testing::Test {
 protected:
  // A server with this certificate.
  void serve(const Leaf& shown) {
    server_.emplace("ps-0", shown.job, "127.0.0.1:0",
                    write_files(folder_.path(), "server", identity_for(authority_, shown)));
  }
  std::unique_ptr<ControlClient> call_as(const std::optional<Leaf>& own) {
    local::ControlClientOptions options;
    options.name = "ps-0";
    options.incarnation = server_->id().incarnation;
    options.address = server_->address();
    options.job_uid = "job";
    if (own) {
      options.tls = local::ControlTls{[this, shown = *own]() -> Result<Identity> {
                                        ++asked_;
                                        return identity_for(authority_, shown);
                                      },
                                      "spiffe://ballast/default/job/server"};
    }
    options.notify = [this] {
      const std::lock_guard lock(mutex_);
      changed_.notify_all();
    };
    return std::make_unique<ControlClient>(std::move(options));
  }
  // The first thing that becomes of the session.
  template <typename Event>
  std::optional<Event> wait_for(ControlClient& client) {
    const auto limit = std::chrono::steady_clock::now() + kPatience;
    std::unique_lock lock(mutex_);
    while (std::chrono::steady_clock::now() < limit) {
      for (const local::ControlEvent& event : client.take()) {
        if (const auto* found = std::get_if<Event>(&event)) return *found;
        opened_ = opened_ || std::holds_alternative<SessionOpened>(event);
      }
      changed_.wait_for(lock, std::chrono::milliseconds(50));
    }
    return std::nullopt;
  }

  static Leaf leaf_of(certificates::Role role, const std::string& job = "job") {
    return {.role = role, .job = job};
  }

  TestFolder folder_;
  const certificates::KeyPair authority_ = test_authority();
  std::optional<TestServer> server_;
  std::atomic<int> asked_ = 0;
  bool opened_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
};

TEST_F(ControlPort, OpensToTheOperatorOfTheJob) {
  serve(leaf_of(certificates::Role::kServer));
  const auto client = call_as(leaf_of(certificates::Role::kOperator));
  const auto opened = wait_for<SessionOpened>(*client);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->incarnation, server_->id().incarnation);
}

TEST_F(ControlPort, RefusesWorkersServersAndOtherJobsOperators) {
  serve(leaf_of(certificates::Role::kServer));
  for (const Leaf& other :
       {leaf_of(certificates::Role::kWorker), leaf_of(certificates::Role::kServer),
        leaf_of(certificates::Role::kOperator, "another")}) {
    const auto client = call_as(other);
    const auto closed = wait_for<SessionClosed>(*client);
    ASSERT_TRUE(closed);
    EXPECT_TRUE(closed->refused);
    EXPECT_THAT(closed->reason, HasSubstr("its certificate"));
    EXPECT_FALSE(opened_);
  }
}

TEST_F(ControlPort, RefusesPlaintext) {
  serve(leaf_of(certificates::Role::kServer));
  const auto client = call_as(std::nullopt);
  ASSERT_TRUE(wait_for<SessionClosed>(*client));
  EXPECT_FALSE(opened_);
}

// Addresses of pods come and go: a stranger at one is not the end of the job.
TEST_F(ControlPort, IsNotTalkedToWhereAStrangerHasTheAddress) {
  serve(leaf_of(certificates::Role::kServer, "another"));
  const auto client = call_as(leaf_of(certificates::Role::kOperator));
  const auto closed = wait_for<SessionClosed>(*client);
  ASSERT_TRUE(closed);
  EXPECT_FALSE(closed->refused) << closed->reason;
  EXPECT_THAT(closed->reason, HasSubstr("spiffe://ballast/default/another/server"));
  EXPECT_FALSE(opened_);
}

TEST_F(ControlPort, IsNotTalkedToWhereAWorkersKeyServes) {
  for (const bool forged : {false, true}) {
    Leaf thief = leaf_of(forged ? certificates::Role::kServer : certificates::Role::kWorker);
    if (forged) thief.uri = "spiffe://ballast/default/job/worker";
    server_.reset();
    serve(thief);
    const auto client = call_as(leaf_of(certificates::Role::kOperator));
    const auto closed = wait_for<SessionClosed>(*client);
    ASSERT_TRUE(closed);
    EXPECT_FALSE(closed->refused);
    EXPECT_FALSE(opened_) << closed->reason;
  }
}

TEST_F(ControlPort, AsksForTheIdentityAnewForEachSession) {
  serve(leaf_of(certificates::Role::kServer));
  const auto client = call_as(leaf_of(certificates::Role::kOperator));
  ASSERT_TRUE(wait_for<SessionOpened>(*client));
  EXPECT_EQ(asked_, 1);
  server_.reset();
  ASSERT_TRUE(wait_for<SessionClosed>(*client));
  ASSERT_TRUE(wait_for<SessionClosed>(*client)) << "it is tried again";
  EXPECT_GE(asked_, 2);
}

}  // namespace
}  // namespace ballast
