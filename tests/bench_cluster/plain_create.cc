// Creates pods as fast as the API server takes them, and does nothing else: what the operator's
// time for the same pods is shown beside.
//
// plain_create PODS IN_FLIGHT     PODS: a JSON file, {"items": [...]}, each with a namespace;
//                                 prints the seconds from the first request to the last answer
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "common/file.h"
#include "operator/cluster/parallel.h"
#include "operator/kube/client.h"
#include "operator/kube/config.h"
#include "operator/kube/curl_transport.h"

namespace ballast {
namespace {

int give_up(const Error& error) {
  std::fprintf(stderr, "plain_create: %s\n", error.message.c_str());
  return 1;
}

int run(const char* file, int in_flight) {
  const auto text = read_file(file, uint64_t{1} << 30);
  if (!text) return give_up(text.error());
  const auto list = nlohmann::json::parse(*text, nullptr, false);
  const auto config = kube::load_config("");
  if (!config) return give_up(config.error());
  auto transport = kube::make_curl_transport(*config);
  if (!transport) return give_up(transport.error());
  kube::KubeClient client(std::move(*transport), "plain-create");
  cluster::Parallel parallel(in_flight);
  const auto& pods = list.at("items");
  const auto begin = std::chrono::steady_clock::now();
  const auto made = parallel.for_each(pods.size(), [&](size_t i) -> Result<void> {
    const auto one = client.create(kube::kPods, pods[i].at("metadata").at("namespace"), pods[i]);
    if (!one) return tl::unexpected(one.error().error);
    return {};
  });
  if (!made) return give_up(made.error());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("%.3f\n", took.count());
  return 0;
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  if (argc != 3) return ballast::give_up({ballast::ErrorCode::kInvalid, "expected PODS IN_FLIGHT"});
  return ballast::run(argv[1], std::atoi(argv[2]));
}
