// A ballast-ps inside the test's process: the same Server over a real transport, on a thread.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "common/random_id.h"
#include "services/server/server.h"
#include "services/transport/grpc_transport.h"

namespace ballast {

// A folder of mode 0700 that goes away with the test.
class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "ballast-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }
  std::string socket(const std::string& name) const { return "unix:" + (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline Hello test_hello(const std::string& name, const std::string& job, Role role) {
  return {.from = {.name = name, .incarnation = random_id()},
          .protocol = kProtocolVersion,
          .build = "test",
          .job_uid = job,
          .role = role,
          .process_id = ::getpid(),
          .address = {},
          .session = 0};
}

class TestServer {
 public:
  TestServer(const std::string& name, const std::string& job, const std::string& listen,
             Security security = {}) {
    TransportOptions options{.self = test_hello(name, job, Role::kServer),
                             .listen = listen,
                             .advertise = {},
                             .security = security,
                             .limits = {}};
    id_ = options.self.from;
    auto transport = make_grpc_transport(std::move(options)).value();
    address_ = transport->address();
    server_ = std::make_unique<Server>(
        ServerConfig{.self = id_, .job_uid = job, .server = {}, .coordinator = {}},
        std::move(transport), Logger());
    thread_ = std::jthread([this] { server_->run(); });
  }
  ~TestServer() {
    server_->stop();
    thread_.join();
  }
  const ProcessId& id() const { return id_; }
  const std::string& address() const { return address_; }
  Member member() const { return {.id = id_, .address = address_, .node = {}}; }
  Server& server() { return *server_; }

 private:
  ProcessId id_;
  std::string address_;
  std::unique_ptr<Server> server_;
  std::jthread thread_;
};

}  // namespace ballast
