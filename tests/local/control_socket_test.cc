// Wishes for a run, over its socket.
#include "operator/local/control_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include <gmock/gmock.h>

#include "tests/local/temporary_folder.h"

namespace ballast::local {
namespace {

using ::testing::HasSubstr;

// Serves one caller on a thread of its own.
std::jthread serve_once(ControlSocket& socket, ControlSocket::Answer answer) {
  return std::jthread([&socket, answer = std::move(answer)] {
    pollfd entry{socket.fd(), POLLIN, 0};
    ::poll(&entry, 1, 10'000);
    socket.serve(answer);
  });
}

TEST(ControlSocket, CarriesChangesAndTheAnswer) {
  TemporaryFolder folder;
  auto socket = ControlSocket::listen(folder.path());
  ASSERT_TRUE(socket.has_value());
  api::Changes heard;
  {
    const auto server = serve_once(*socket, [&](const api::Changes& changes) {
      heard = changes;
      return Result<std::string>("done");
    });
    EXPECT_EQ(ask_for_changes(folder.path(), {{"spec.workers.replicas", 3}}).value(), "done");
  }
  EXPECT_EQ(heard, (api::Changes{{"spec.workers.replicas", 3}}));
}

TEST(ControlSocket, CarriesRefusals) {
  TemporaryFolder folder;
  auto socket = ControlSocket::listen(folder.path());
  const auto server = serve_once(*socket, [](const api::Changes&) -> Result<std::string> {
    return fail(ErrorCode::kInvalid, "too many");
  });
  EXPECT_EQ(ask_for_changes(folder.path(), {}).error().message, "too many");
}

TEST(ControlSocket, NobodyThereIsTold) {
  TemporaryFolder folder;
  const auto answer = ask_for_changes(folder.path(), {});
  EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(answer.error().message, HasSubstr(folder.path().string()));
}

TEST(ControlSocket, NonsenseAndSilenceDoNoHarm) {
  TemporaryFolder folder;
  auto socket = ControlSocket::listen(folder.path());
  for (const char* text : {"", "nonsense\n", "[]\n", "{\"changes\": 3}\n", "half a line"}) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = (folder.path() / kControlSocketName).string();
    std::memcpy(address.sun_path, path.c_str(), path.size());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::send(fd, text, std::strlen(text), MSG_NOSIGNAL),
              static_cast<ssize_t>(std::strlen(text)));
    socket->serve([](const api::Changes&) -> Result<std::string> {
      ADD_FAILURE() << "nothing was wished";
      return "";
    });
    ::close(fd);
  }
  socket->serve([](const api::Changes&) { return Result<std::string>(""); });  // nobody calls
}

}  // namespace
}  // namespace ballast::local
