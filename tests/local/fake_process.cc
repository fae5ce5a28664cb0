// A process of a job without training: writes its ready-file, ends on SIGTERM, and as a server
// answers an appointment as a coordinator would. How a life goes is told by the environment:
// BALLAST_FAKE_<NAME> (ps-0 -> PS_0) = one word for each life, the last one for all that follow:
//   run         the default: serve; a coordinator commits all steps and says that it is done
//   hold        serve; a coordinator never comes to an end
//   exit:N      end with code N as soon as it is ready
//   broken:N    end with code N before it is ready
//   hang        never become ready
//   stubborn    serve, and take no notice of SIGTERM
//   fail:TEXT   serve; a coordinator says that the job failed
// BALLAST_FAKE_LIVES = a folder in which lives are counted.
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>
#include <nlohmann/json.hpp>

#include "ballast/v1/control.grpc.pb.h"

namespace {

using namespace ballast;

std::string environment(const std::string& name) {
  const char* value = ::getenv(name.c_str());
  return value == nullptr ? "" : value;
}

// The word of this life.
std::string behaviour(const std::string& name, int* life) {
  std::string key = name;
  for (char& c : key) c = c == '-' ? '_' : static_cast<char>(::toupper(c));
  *life = 1;
  const std::string folder = environment("BALLAST_FAKE_LIVES");
  if (!folder.empty()) {
    const std::string file = folder + "/" + name;
    std::ifstream(file) >> *life;
    std::ofstream(file) << *life + 1;
  }
  std::istringstream words(environment("BALLAST_FAKE_" + key));
  std::string word = "run";
  for (int i = 0; i < *life && words >> word; ++i) {
  }
  return word;
}

class Coordinator final : public v1::Control::Service {
 public:
  Coordinator(std::string name, uint64_t incarnation, std::string how)
      : name_(std::move(name)), incarnation_(incarnation), how_(std::move(how)) {}

  grpc::Status Session(grpc::ServerContext*,
                       grpc::ServerReaderWriter<v1::Frame, v1::Frame>* stream) override {
    v1::Frame frame;
    if (!stream->Read(&frame) || !frame.has_hello())
      return {grpc::StatusCode::INVALID_ARGUMENT, "no Hello"};
    if (frame.hello().role() != v1::ROLE_OPERATOR)
      return {grpc::StatusCode::PERMISSION_DENIED, "not the operator"};
    v1::Frame hello = answer();
    hello.mutable_hello()->set_role(v1::ROLE_SERVER);
    stream->Write(hello);
    while (stream->Read(&frame)) {
      if (frame.has_appoint()) appointed(frame.appoint(), *stream);
      if (frame.has_origin_complete()) train(*stream);
      if (frame.has_plan_changed() && frame.plan_changed().suspend()) {
        rest(frame.plan_changed().plan(), *stream);
      }
    }
    return grpc::Status::OK;
  }

 private:
  using Stream = grpc::ServerReaderWriter<v1::Frame, v1::Frame>;

  v1::Frame answer() const {
    v1::Frame frame;
    frame.mutable_from()->set_name(name_);
    frame.mutable_from()->set_incarnation(incarnation_);
    return frame;
  }

  void appointed(const v1::Appoint& appoint, Stream& stream) {
    appoint_ = appoint;
    std::printf("{\"message\":\"appointed\",\"members\":%d}\n", appoint.members().members_size());
    std::fflush(stdout);
    v1::Frame ask = answer();
    ask.mutable_ask_origin()->set_term(appoint.term());
    ask.mutable_ask_origin()->set_origin(appoint.term());
    stream.Write(ask);
  }

  void train(Stream& stream) {
    const uint64_t steps = appoint_.training().steps();
    for (uint64_t step = 1; step <= steps; ++step) {
      v1::Frame frame = answer();
      v1::Progress& progress = *frame.mutable_progress();
      progress.set_term(appoint_.term());
      progress.set_phase(v1::JOB_TRAINING);
      progress.set_step(step);
      progress.mutable_last()->mutable_training()->set_tokens(100);
      progress.mutable_last()->mutable_training()->set_loss(200.0 / static_cast<double>(step));
      if (step == steps && how_ == "run") progress.set_phase(v1::JOB_DONE);
      if (how_.starts_with("fail:")) {
        progress.set_phase(v1::JOB_FAILED);
        progress.set_failure(how_.substr(5));
      }
      if (step == steps && how_ == "hold") break;
      stream.Write(frame);
    }
  }

  void rest(uint64_t plan, Stream& stream) {
    v1::Frame frame = answer();
    v1::Progress& progress = *frame.mutable_progress();
    progress.set_term(appoint_.term());
    progress.set_phase(v1::JOB_SUSPENDED);
    progress.set_step(appoint_.training().steps() - 1);
    progress.set_plan(plan);
    stream.Write(frame);
  }

  const std::string name_;
  const uint64_t incarnation_;
  const std::string how_;
  v1::Appoint appoint_;
};

void write_ready(const std::string& path, const std::string& name, uint64_t incarnation,
                 const std::string& address) {
  const std::string temporary = path + ".tmp";
  std::ofstream(temporary) << nlohmann::json{
      {"name", name},
      {"incarnation", incarnation},
      {"address", address},
      {"metrics_address", ""},
      {"pid", ::getpid()}}.dump();
  ::rename(temporary.c_str(), path.c_str());
}

int code_after(const std::string& how) { return std::atoi(how.substr(how.find(':') + 1).c_str()); }

}  // namespace

int main(int argc, char** argv) {
  sigset_t ends;
  sigemptyset(&ends);
  for (int signal : {SIGTERM, SIGINT}) sigaddset(&ends, signal);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  std::map<std::string, std::string> flags;
  for (int i = 1; i + 1 < argc; i += 2) flags[argv[i]] = argv[i + 1];
  const std::string name = flags["--name"];
  int life = 1;
  const std::string how = behaviour(name, &life);
  std::printf("{\"message\":\"started\",\"pod\":\"%s\",\"behaviour\":\"%s\"}\n", name.c_str(),
              how.c_str());
  std::fflush(stdout);
  if (how.starts_with("broken:")) return code_after(how);
  if (how == "hang") {
    int signal = 0;
    sigwait(&ends, &signal);
    return 130;
  }

  const auto incarnation = static_cast<uint64_t>(::getpid()) * 1000 + static_cast<uint64_t>(life);
  Coordinator coordinator(name, incarnation, how);
  std::unique_ptr<grpc::Server> server;
  std::string address = flags["--listen"];
  if (!address.empty()) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&coordinator);
    server = builder.BuildAndStart();
    if (server == nullptr) return 1;
    if (!address.starts_with("unix:")) address = "127.0.0.1:" + std::to_string(port);
  }
  write_ready(flags["--ready-file"], name, incarnation, address);
  if (how.starts_with("exit:")) return code_after(how);
  for (;;) {
    int signal = 0;
    sigwait(&ends, &signal);
    if (how != "stubborn") break;
  }
  if (server != nullptr) server->Shutdown(std::chrono::system_clock::now());
  return 0;
}
