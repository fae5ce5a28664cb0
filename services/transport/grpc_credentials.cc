#include "services/transport/grpc_credentials.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <grpc/grpc_security_constants.h>

#include "common/file.h"

namespace ballast {
namespace {

constexpr size_t kMaxPemBytes = size_t{1} << 20;

}  // namespace

Result<Credentials> load_credentials(const Security& security) {
  if (!security.tls()) return Credentials{};
  std::string text[3];
  const std::string* names[3] = {&security.tls_certificate, &security.tls_key, &security.tls_ca};
  for (int i = 0; i < 3; ++i) {
    Result<std::string> content = read_file(*names[i], kMaxPemBytes);
    if (!content) return tl::unexpected(content.error());
    if (content->find("-----BEGIN ") == std::string::npos) {
      return fail(ErrorCode::kInvalid, fmt::format("{} holds nothing in PEM form", *names[i]));
    }
    text[i] = std::move(*content);
  }
  grpc::SslServerCredentialsOptions server(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  server.pem_root_certs = text[2];
  server.pem_key_cert_pairs.push_back({.private_key = text[1], .cert_chain = text[0]});
  return Credentials{
      .server_tls = grpc::SslServerCredentials(server),
      .client_tls = grpc::SslCredentials(
          {.pem_root_certs = text[2], .pem_private_key = text[1], .pem_cert_chain = text[0]})};
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
