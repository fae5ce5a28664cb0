// The command lines, flag by flag.
#include "operator/local/program_arguments.h"

#include <gmock/gmock.h>

namespace ballast::local {
namespace {

using ::testing::ElementsAre;

TEST(ProgramArguments, OfAServerOverAUnixSocket) {
  EXPECT_THAT(
      server_arguments({"ps-0", Network::kUnix, {}, "/r/ps-0.1.json", 2}, "uid", "/r/ps-0.sock"),
      ElementsAre("--name", "ps-0", "--job-uid", "uid", "--listen", "unix:/r/ps-0.sock",
                  "--metrics-listen", "127.0.0.1:0", "--ready-file", "/r/ps-0.1.json", "--threads",
                  "2"));
}

TEST(ProgramArguments, OfAServerOverTrustedTcp) {
  EXPECT_THAT(server_arguments({"ps-0", Network::kTcpTrusted, {}, "/r", 1}, "uid", "/s"),
              ElementsAre("--name", "ps-0", "--job-uid", "uid", "--listen", "127.0.0.1:0",
                          "--metrics-listen", "127.0.0.1:0", "--ready-file", "/r", "--threads", "1",
                          "--trusted-network"));
}

TEST(ProgramArguments, OfAWorkerWithCertificates) {
  EXPECT_THAT(
      worker_arguments({"worker-1", Network::kTcp, CertificateFiles{"/c", "/k", "/a"}, "/r", 1},
                       "/job.json", "/cache",
                       {{"ps-0", 1, "127.0.0.1:1", ""}, {"ps-1", 2, "127.0.0.1:2", ""}}),
      ElementsAre("--name", "worker-1", "--job", "/job.json", "--servers",
                  "127.0.0.1:1,127.0.0.1:2", "--cache-dir", "/cache", "--metrics-listen",
                  "127.0.0.1:0", "--ready-file", "/r", "--threads", "1", "--tls-certificate", "/c",
                  "--tls-key", "/k", "--tls-ca", "/a"));
}

}  // namespace
}  // namespace ballast::local
