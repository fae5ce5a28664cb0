#include "services/transport/grpc_credentials.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "common/certificate.h"
#include "common/file.h"
#include "common/unix_time.h"
#include "services/transport/certificate_watch.h"

namespace ballast {
namespace {

using grpc::experimental::FileWatcherCertificateProvider;
using grpc::experimental::NoOpCertificateVerifier;

constexpr size_t kMaxPemBytes = size_t{1} << 20;

Result<std::string> read_pem(const std::string& path) {
  Result<std::string> content = read_file(path, kMaxPemBytes);
  if (content && content->find("-----BEGIN ") == std::string::npos) {
    return fail(ErrorCode::kInvalid, fmt::format("{} holds nothing in PEM form", path));
  }
  return content;
}

// gRPC reads the files itself, and would say nothing of what is wrong with them.
Result<void> check_files(const Security& security) {
  const auto certificate = read_pem(security.tls_certificate);
  if (!certificate) return tl::unexpected(certificate.error());
  const auto key = read_pem(security.tls_key);
  if (!key) return tl::unexpected(key.error());
  const auto ca = read_pem(security.tls_ca);
  if (!ca) return tl::unexpected(ca.error());
  if (auto facts = certificate_facts(*ca); !facts) {
    return fail(ErrorCode::kInvalid, security.tls_ca + ": " + facts.error().message);
  }
  if (auto sound = check_key(*certificate, *key); !sound) {
    const bool mixed = sound.error().code == ErrorCode::kInvalid;  // read in the midst of a renewal
    return fail(mixed ? ErrorCode::kUnavailable : ErrorCode::kInvalid,
                security.tls_certificate + ", " + security.tls_key + ": " + sound.error().message);
  }
  const auto facts = certificate_facts(*certificate);
  if (!facts) return tl::unexpected(facts.error());
  const int64_t now_ms = unix_now_ms();
  if (now_ms >= facts->ends_ms || now_ms < facts->begins_ms) {
    return fail(ErrorCode::kUnavailable,
                security.tls_certificate + ": " + describe_life(*facts, now_ms));
  }
  return {};
}

}  // namespace

Result<Credentials> load_credentials(const Security& security, TimeMs reload_ms) {
  if (!security.tls()) return Credentials{};
  if (auto sound = check_files(security); !sound) return tl::unexpected(sound.error());
  const auto files = std::make_shared<FileWatcherCertificateProvider>(
      security.tls_key, security.tls_certificate, security.tls_ca,
      static_cast<unsigned>(std::max<TimeMs>(1, reload_ms / 1000)));
  grpc::experimental::TlsServerCredentialsOptions server(files);
  server.watch_root_certs();
  server.watch_identity_key_cert_pairs();
  server.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  grpc::experimental::TlsChannelCredentialsOptions client;
  client.set_certificate_provider(files);
  client.watch_root_certs();
  client.watch_identity_key_cert_pairs();
  client.set_check_call_host(false);
  client.set_certificate_verifier(std::make_shared<NoOpCertificateVerifier>());
  return Credentials{.server_tls = grpc::experimental::TlsServerCredentials(server),
                     .client_tls = grpc::experimental::TlsCredentials(client)};
}

Result<std::optional<PeerIdentity>> peer_identity(const Security& security,
                                                  std::string_view address,
                                                  const grpc::AuthContext* context) {
  if (!security.tls() || is_unix_address(address)) return std::nullopt;
  if (context == nullptr) return fail(ErrorCode::kDenied, "the connection shows no certificate");
  const std::vector<grpc::string_ref> found =
      context->FindPropertyValues(GRPC_PEER_SPIFFE_ID_PROPERTY_NAME);
  if (found.size() != 1) {
    return fail(
        ErrorCode::kDenied,
        fmt::format("the certificate names {} SPIFFE identities, expected 1", found.size()));
  }
  Result<PeerIdentity> identity =
      parse_identity(std::string_view(found[0].data(), found[0].size()));
  if (!identity) return tl::unexpected(identity.error());
  return std::move(*identity);
}

}  // namespace ballast
