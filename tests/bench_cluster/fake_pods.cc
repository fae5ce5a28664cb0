// Answers for the pods of fake nodes, in which no process runs: at every pod's address its metrics,
// and as a coordinator that commits one step a second and is done after the job's steps. All pod
// addresses must lead to this machine ("ip route add local 10.245.0.0/16 dev lo").
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "ballast/v1/control.grpc.pb.h"
#include "common/mutex.h"
#include "operator/cluster/kept.h"
#include "operator/core/pod_template.h"
#include "operator/kube/config.h"
#include "operator/kube/curl_transport.h"
#include "operator/kube/informer.h"

namespace ballast {
namespace {

constexpr int kThreads = 4;

// Which process has which address.
class Pods {
 public:
  explicit Pods(std::shared_ptr<kube::KubeClient> client)
      : informer_(std::move(client), std::make_shared<SteadyClock>(),
                  {kube::kPods, "", kube::kJobLabel, 1,
                   [this](const std::string& key) { changed(key); }, nullptr, nullptr, nullptr}) {}

  // Empty: nobody's.
  std::string metrics_of(const std::string& address) const {
    const MutexLock lock(mutex_);
    const auto found = by_address_.find(address);
    return found == by_address_.end() ? "" : found->second;
  }

 private:
  void changed(const std::string& key) {
    const auto pod = informer_.find(key);
    const MutexLock lock(mutex_);
    if (const auto before = address_of_.find(key); before != address_of_.end()) {
      by_address_.erase(before->second);
      address_of_.erase(before);
    }
    if (!pod) return;
    const auto& body = *pod->body;
    const std::string address = body["status"].value("podIP", "");
    if (address.empty()) return;
    const auto& labels = body["metadata"]["labels"];
    const std::string process =
        labels.value(kube::kRoleLabel, "") + "-" + labels.value(kube::kIndexLabel, "");
    const uint64_t incarnation = std::hash<std::string>()(pod->uid) | 1;
    by_address_[address] = "# TYPE ballast_process_info gauge\nballast_process_info{process=\"" +
                           process + "\",incarnation=\"" + std::to_string(incarnation) + "\"} 1\n";
    address_of_[key] = address;
  }

  mutable Mutex mutex_;
  std::unordered_map<std::string, std::string> by_address_ BALLAST_GUARDED_BY(mutex_);
  std::unordered_map<std::string, std::string> address_of_ BALLAST_GUARDED_BY(mutex_);
  kube::Informer informer_;  // last: its thread uses all of the above
};

int listen_at(int port) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(static_cast<uint16_t>(port));
  if (::bind(descriptor, reinterpret_cast<sockaddr*>(&any), sizeof any) != 0 ||
      ::listen(descriptor, 4096) != 0) {
    std::perror("fake_pods: listen");
    std::exit(1);
  }
  return descriptor;
}

// One request a connection; whoever asks is ours, and is quick.
void serve_metrics(int listener, const Pods& pods) {
  for (;;) {
    const int descriptor = ::accept(listener, nullptr, nullptr);
    if (descriptor < 0) continue;
    sockaddr_in here{};
    socklen_t size = sizeof here;
    ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&here), &size);
    char address[INET_ADDRSTRLEN] = {}, request[4096];
    ::inet_ntop(AF_INET, &here.sin_addr, address, sizeof address);
    const std::string body = pods.metrics_of(address);
    if (::recv(descriptor, request, sizeof request, 0) > 0 && !body.empty()) {
      const std::string answer = "HTTP/1.0 200 OK\r\n\r\n" + body;
      [[maybe_unused]] const auto sent =
          ::send(descriptor, answer.data(), answer.size(), MSG_NOSIGNAL);
    }
    ::close(descriptor);
  }
}

// Of all jobs: whoever is spoken to answers.
class Coordinators final : public v1::Control::Service {
  using Stream = grpc::ServerReaderWriter<v1::Frame, v1::Frame>;

 public:
  grpc::Status Session(grpc::ServerContext*, Stream* stream) override {
    v1::Frame frame;
    if (!stream->Read(&frame)) return grpc::Status::OK;
    const auto open = std::make_shared<Open>();
    open->stream = stream;
    *open->hello.mutable_from() = frame.to();
    v1::Frame hello = open->hello;
    hello.mutable_hello()->set_role(v1::ROLE_SERVER);
    write(*open, hello);
    {
      const MutexLock lock(mutex_);
      open_[open.get()] = open;
    }
    while (stream->Read(&frame)) take(frame, *open);
    {
      const MutexLock lock(mutex_);
      open_.erase(open.get());
    }
    const MutexLock lock(open->mutex);
    open->stream = nullptr;
    return grpc::Status::OK;
  }

  // One more step of every job.
  void step() {
    std::vector<std::shared_ptr<Open>> all;
    {
      const MutexLock lock(mutex_);
      for (const auto& [key, open] : open_) all.push_back(open);
    }
    for (const auto& open : all) advance(*open);
  }

 private:
  struct Open {
    v1::Frame hello;
    Mutex mutex;
    Stream* stream = nullptr;  // none once it has ended
    uint64_t term = 0;
    uint64_t members_number = 0;
    uint64_t plan = 0;
    uint64_t steps = 0;
    uint64_t step = 0;
    bool trains = false;
  };

  void write(Open& open, const v1::Frame& frame) {
    const MutexLock lock(open.mutex);
    if (open.stream != nullptr) open.stream->Write(frame);
  }

  void take(const v1::Frame& frame, Open& open) {
    if (frame.has_appoint()) {
      v1::Frame ask = open.hello;
      {
        const MutexLock lock(open.mutex);
        open.term = frame.appoint().term();
        open.steps = frame.appoint().training().steps();
      }
      ask.mutable_ask_origin()->set_term(frame.appoint().term());
      ask.mutable_ask_origin()->set_origin(frame.appoint().term());
      write(open, ask);
    }
    if (frame.has_origin_complete()) {
      const MutexLock lock(open.mutex);
      open.trains = true;
    }
  }

  void advance(Open& open) {
    v1::Frame frame = open.hello;
    {
      const MutexLock lock(open.mutex);
      if (open.term == 0) return;
      if (open.trains) open.step = std::min(open.step + 1, open.steps);
      v1::Progress& progress = *frame.mutable_progress();
      progress.set_term(open.term);
      progress.set_step(open.step);
      progress.set_phase(open.step == open.steps && open.trains ? v1::JOB_DONE : v1::JOB_TRAINING);
      progress.mutable_last()->mutable_training()->set_tokens(100);
      progress.mutable_last()->mutable_training()->set_loss(200);
    }
    write(open, frame);
  }

  Mutex mutex_;
  std::map<Open*, std::shared_ptr<Open>> open_ BALLAST_GUARDED_BY(mutex_);
};

int run() {
  const auto config = kube::load_config("");
  if (!config) {
    std::fprintf(stderr, "fake_pods: %s\n", config.error().message.c_str());
    return 1;
  }
  auto transport = kube::make_curl_transport(*config);
  if (!transport) return 1;
  const Pods pods(std::make_shared<kube::KubeClient>(std::move(*transport), "fake-pods",
                                                     cluster::wanted_fields()));
  const int listener = listen_at(kube::kMetricsPort);
  std::vector<std::jthread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back([&] { serve_metrics(listener, pods); });
  Coordinators coordinators;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("0.0.0.0:" + std::to_string(kube::kServerPort),
                           grpc::InsecureServerCredentials());
  builder.RegisterService(&coordinators);
  const auto server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  std::puts("ready");
  std::fflush(stdout);
  for (;;) {                                               // until it is killed
    std::this_thread::sleep_for(std::chrono::seconds(1));  // sleeps: a step takes a second
    coordinators.step();
  }
}

}  // namespace
}  // namespace ballast

int main() { return ballast::run(); }
