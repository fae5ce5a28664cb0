// Names of servers to addresses: waits until one leads somewhere, and asks no more than it must.
#include "services/client/find_servers.h"

#include <gmock/gmock.h>

#include <map>

namespace ballast {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Names that come after so many waits.
struct Names {
  std::map<std::string, size_t> after;
  std::vector<int64_t> waited_ms = {};
  int asked = 0;

  NameService service() {
    return {[this](const std::string& host) -> std::string {
              ++asked;
              const auto found = after.find(host);
              const bool there = found != after.end() && waited_ms.size() >= found->second;
              return there ? "10.0.0." + host.substr(host.size() - 1) : "";
            },
            [this](int64_t ms) { waited_ms.push_back(ms); }};
  }
};

TEST(FindServers, TakesAllThatLeadSomewhere) {
  Names names{{{"ps-0", 0}, {"ps-2", 0}}};
  EXPECT_THAT(find_servers({"ps-0:7600", "ps-1:7600", "ps-2:80"}, names.service()),
              ElementsAre("10.0.0.0:7600", "10.0.0.2:80"));
  EXPECT_THAT(names.waited_ms, IsEmpty());
}

TEST(FindServers, WaitsForTheFirstEverMoreSlowlyAndAsksOneNameALook) {
  Names names{{{"ps-1", 7}}};
  EXPECT_THAT(find_servers({"ps-0:7600", "ps-1:7600"}, names.service()),
              ElementsAre("10.0.0.1:7600"));
  EXPECT_THAT(names.waited_ms, ElementsAre(100, 200, 400, 800, 1000, 1000, 1000));
  EXPECT_EQ(names.asked, 8 + 2);
}

TEST(FindServers, LeavesWhatIsNoNameAsItIs) {
  Names names{{}};
  EXPECT_THAT(find_servers({"unix:/run/x"}, names.service()), ElementsAre("unix:/run/x"));
  EXPECT_THAT(find_servers({"nonsense"}, names.service()), ElementsAre("nonsense"));
  EXPECT_EQ(names.asked, 0);
}

TEST(ServerLookup, LooksWhileItIsSought) {
  std::mutex mutex;
  std::condition_variable changed;
  std::string address;  // guarded by mutex
  int looks = 0;        // guarded by mutex
  std::vector<std::string> found;
  const auto resolve = [&](const std::string&) {
    const std::lock_guard lock(mutex);
    ++looks;
    changed.notify_all();
    return address;
  };
  ServerLookup lookup(
      {"ps-0:7600"}, {resolve, {}},
      [&](std::vector<std::string> addresses) {
        const std::lock_guard lock(mutex);
        found = std::move(addresses);
        changed.notify_all();
      },
      1);
  const auto wait_for = [&](const auto& condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(60), condition);
  };
  lookup.seek(true);
  ASSERT_TRUE(wait_for([&] { return looks >= 3; }));
  {
    const std::lock_guard lock(mutex);
    EXPECT_THAT(found, IsEmpty());
    address = "10.0.0.1";
  }
  ASSERT_TRUE(wait_for([&] { return found == std::vector<std::string>{"10.0.0.1:7600"}; }));
  {
    const std::lock_guard lock(mutex);
    address = "10.0.0.2";
  }
  ASSERT_TRUE(wait_for([&] { return found == std::vector<std::string>{"10.0.0.2:7600"}; }));
  lookup.seek(false);
}

// Numeric addresses stay what they are.
TEST(FindServers, AsksThisMachine) {
  EXPECT_THAT(find_servers({"127.0.0.1:7600", "[::1]:7601"}, system_name_service()),
              ElementsAre("127.0.0.1:7600", "[::1]:7601"));
  EXPECT_EQ(system_name_service().resolve("no-such-host.invalid"), "");
}

}  // namespace
}  // namespace ballast
