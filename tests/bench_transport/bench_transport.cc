// Push, then pull, of a 134 MB arena between two processes, beside raw gRPC ByteBuffers over the
// same kind of connection, interleaved; the same with AdamW; the optimizer against a plain loop;
// and the server's memory a parameter. Prints one line a figure. Not a test: figures depend on the
// machine.
//
//   bench_transport [rounds [unix | tcp | tls]]
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "common/check.h"
#include "operator/local/certificates.h"
#include "services/server/optimizer.h"
#include "services/transport/grpc_credentials.h"
#include "tests/bench_transport/data_plane.h"
#include "tests/bench_transport/plain_loop.h"
#include "tests/bench_transport/raw_peer.h"

namespace ballast::bench {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;
constexpr size_t kPieces = 128;
constexpr uint64_t kElements = kPieces * kPieceBytes / sizeof(float);
constexpr TimeMs kReloadMs = 10'000;

// This program again as a server; its standard input holds it alive.
struct Child {
  pid_t pid = 0;
  int hold = -1;
  std::string address;

  Child(const std::string& mode, const std::string& listen, const std::string& folder) {
    int in[2];
    int out[2];
    CHECK(::pipe(in) == 0 && ::pipe(out) == 0);
    pid = ::fork();
    if (pid == 0) {
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      for (int fd : {in[0], in[1], out[0], out[1]}) ::close(fd);
      ::execl("/proc/self/exe", "bench_transport", mode.c_str(), listen.c_str(), folder.c_str(),
              nullptr);
      std::_Exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    hold = in[1];
    char byte;
    while (::read(out[0], &byte, 1) == 1 && byte != '\n') address += byte;
    ::close(out[0]);
  }
  Child(const Child&) = delete;
  ~Child() {
    ::close(hold);
    ::waitpid(pid, nullptr, 0);
  }
  uint64_t resident_bytes() const {
    std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
    uint64_t total = 0;
    uint64_t resident = 0;
    file >> total >> resident;
    return resident * 4096;
  }
};

// Of the whole process so far. Unlike the clock it does not see who else uses the machine.
double cpu_seconds(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  double user = 0;
  double system = 0;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

Security security_of(const std::string& kind, const std::string& folder, const std::string& role) {
  if (kind == "unix") return {};
  if (kind == "tcp")
    return {.tls_certificate = {}, .tls_key = {}, .tls_ca = {}, .trusted_network = true};
  std::ifstream list(folder + "/" + role);
  Security security;
  std::getline(list, security.tls_certificate);
  std::getline(list, security.tls_key);
  std::getline(list, security.tls_ca);
  return security;
}

void write_certificates(const std::string& folder) {
  const auto made = local::make_run_certificates(folder, "default", "bench").value();
  for (const auto& [role, files] :
       {std::pair{"server", made.server}, std::pair{"worker", made.worker}}) {
    std::ofstream(folder + "/" + role) << files.certificate.string() << "\n"
                                       << files.key.string() << "\n"
                                       << files.ca.string() << "\n";
  }
}

Shape shape(bool optimizer) {
  return {.elements = kElements,
          .segment_elements = kPieceBytes / sizeof(float),
          .optimizer = optimizer};
}

int serve(const std::string& mode, const std::string& listen, const std::string& folder) {
  const std::string kind = mode.substr(mode.find('-') + 1);
  const Security security = security_of(kind, folder, "server");
  if (mode.starts_with("raw-") || mode.starts_with("copied-")) {
    const auto credentials = load_credentials(security, kReloadMs).value();
    serve_raw(listen, kind == "tls" ? credentials.server_tls : grpc::InsecureServerCredentials(),
              kPieces, kPieceBytes,
              mode.starts_with("raw-") ? Received::kDropped : Received::kCopied);
  } else {
    serve_data_plane(listen, security, shape(mode.starts_with("adamw-")));
  }
  return 0;
}

struct Times {
  std::vector<double> push;
  std::vector<double> pull;
  std::vector<double> both;
  void add(double push_seconds, double pull_seconds) {
    push.push_back(push_seconds);
    pull.push_back(pull_seconds);
    both.push_back(push_seconds + pull_seconds);
  }
};

void measure(const std::string& kind, const std::string& folder, int rounds) {
  const auto listen = [&](const std::string& name) {
    return kind == "unix" ? "unix:" + folder + "/" + name + ".sock" : std::string("127.0.0.1:0");
  };
  const Child raw_server("raw-" + kind, listen("raw"), folder);
  const Child copied_server("copied-" + kind, listen("copied"), folder);
  const Child plain_server("plain-" + kind, listen("plain"), folder);
  const Child adamw_server("adamw-" + kind, listen("adamw"), folder);
  const Security security = security_of(kind, folder, "worker");
  const auto credentials = load_credentials(security, kReloadMs).value();
  const auto raw_credentials =
      kind == "tls" ? credentials.client_tls : grpc::InsecureChannelCredentials();
  RawClient raw(raw_server.address, raw_credentials, kPieces, kPieceBytes, Received::kDropped);
  RawClient copied(copied_server.address, raw_credentials, kPieces, kPieceBytes, Received::kCopied);
  DataPlaneClient plain(plain_server.address, security, shape(false));
  DataPlaneClient adamw(adamw_server.address, security, shape(true));
  Times raw_times;
  Times copied_times;
  Times plain_times;
  Times adamw_times;
  double client_cpu[4] = {};
  double server_cpu[4] = {};
  const pid_t servers[4] = {raw_server.pid, copied_server.pid, plain_server.pid, adamw_server.pid};
  const auto timed = [&](int which, auto& client, Times& times, bool count) {
    const double client_before = cpu_seconds(::getpid());
    const double server_before = cpu_seconds(servers[which]);
    const double push = client.push_seconds();
    const double pull = client.pull_seconds();
    if (!count) return;
    times.add(push, pull);
    client_cpu[which] += cpu_seconds(::getpid()) - client_before;
    server_cpu[which] += cpu_seconds(servers[which]) - server_before;
  };
  for (int round = -2; round < rounds; ++round) {
    timed(0, raw, raw_times, round >= 0);
    timed(1, copied, copied_times, round >= 0);
    timed(2, plain, plain_times, round >= 0);
    timed(3, adamw, adamw_times, round >= 0);
  }
  const double raw_both = median(raw_times.both);
  const double plain_both = median(plain_times.both);
  const double copied_both = median(copied_times.both);
  const auto print_times = [&](const char* name, const Times& times) {
    std::printf("%-5s %-6s push %6.1f ms  pull %6.1f ms", kind.c_str(), name,
                1e3 * median(times.push), 1e3 * median(times.pull));
  };
  print_times("raw", raw_times);
  std::printf("\n");
  print_times("copied", copied_times);
  std::printf("  raw, each byte copied out once: speed against raw %.2f\n", raw_both / copied_both);
  print_times("ours", plain_times);
  std::printf("  speed against raw %.2f (reach 0.90), against copied %.2f\n", raw_both / plain_both,
              copied_both / plain_both);
  print_times("adamw", adamw_times);
  std::printf("  time against no optimizer %.2f (reach 1.20)\n",
              median(adamw_times.both) / plain_both);
  std::printf(
      "%-5s server with AdamW: %.2f B a parameter resident (reach 16, and pieces in flight)\n",
      kind.c_str(),
      static_cast<double>(adamw_server.resident_bytes()) / static_cast<double>(kElements));
  const Times* times[4] = {&raw_times, &copied_times, &plain_times, &adamw_times};
  const char* names[4] = {"raw", "copied", "ours", "adamw"};
  for (int which = 0; which < 4; ++which) {
    const double wall = sum(times[which]->both);
    std::printf(
        "%-5s %-6s processor time a round: worker %.0f ms, server %.0f ms; %.1f processors busy\n",
        kind.c_str(), names[which], 1e3 * client_cpu[which] / rounds,
        1e3 * server_cpu[which] / rounds, (client_cpu[which] + server_cpu[which]) / wall);
  }
  std::fflush(stdout);
}

void measure_optimizer(int rounds) {
  std::vector<float> p(kElements, 0.5f);
  std::vector<float> m(kElements, 0.0f);
  std::vector<float> v(kElements, 0.0f);
  std::vector<float> g(kElements, 0.25f);
  Record record;
  record.scale = 1e-3f;
  record.learning_rate = 1e-3f;
  record.bias_correction1 = 0.5f;
  record.bias_correction2 = 0.5f;
  std::vector<double> plain;
  std::vector<double> ours;
  for (int round = 0; round < rounds; ++round) {
    auto start = std::chrono::steady_clock::now();
    plain_loop(p.data(), m.data(), v.data(), g.data(), kElements);
    plain.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    start = std::chrono::steady_clock::now();
    apply_record(
        {}, record, ParameterGroup::kDecay,
        {.parameters = p, .states = {std::span<float>(m), std::span<float>(v)}, .root = g});
    ours.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::printf(
      "adamw, one thread: %.1f ms, plain loop %.1f ms, %.1f GB/s, speed against the loop %.2f "
      "(reach 0.90)\n",
      1e3 * median(ours), 1e3 * median(plain),
      28.0 * static_cast<double>(kElements) / median(ours) / 1e9, median(plain) / median(ours));
}

}  // namespace
}  // namespace ballast::bench

int main(int argc, char** argv) {
  using namespace ballast::bench;
  mallopt(M_MMAP_THRESHOLD, 64 << 20);  // as the programs do; raw gRPC gets it too
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  if (argc == 4) return serve(argv[1], argv[2], argv[3]);
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 11;
  std::string folder = "/tmp/ballast-bench-XXXXXX";
  CHECK(::mkdtemp(folder.data()) != nullptr);
  write_certificates(folder);
  const std::string only = argc > 2 ? argv[2] : "";
  measure_optimizer(rounds);
  for (const char* kind : {"unix", "tcp", "tls"}) {
    if (only.empty() || only == kind) measure(kind, folder, rounds);
  }
  std::filesystem::remove_all(folder);
  return 0;
}
