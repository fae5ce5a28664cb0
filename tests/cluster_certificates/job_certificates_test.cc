// The certificates of one job: written before its pods, renewed in time, and written no more often.
#include "operator/cluster/job_certificates.h"

#include <gmock/gmock.h>

#include "common/base64.h"
#include "common/certificate.h"
#include "operator/cluster/kept.h"
#include "tests/cluster_certificates/fake_api.h"

namespace ballast::cluster {
namespace {

using decide::ProcessState;
using decide::Role;
using nlohmann::json;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr int64_t kMinuteMs = 60'000;
constexpr int64_t kDayMs = 24 * 60 * kMinuteMs;
constexpr const char* kAuthorityPath = "/api/v1/namespaces/system/secrets/ca";
constexpr const char* kJobPath = "/apis/ballast.dev/v1alpha1/namespaces/n/trainingjobs/j";
constexpr const char* kServerPath = "/api/v1/namespaces/n/secrets/j-ps-tls";
constexpr const char* kWorkerPath = "/api/v1/namespaces/n/secrets/j-worker-tls";

class AJob : public testing::Test {
 protected:
  AJob() {
    seen_.now_ms = 20'000 * kDayMs;
    seen_.job.metadata = {"j", "n", "the-uid", {}, {}};
    api_->put(kJobPath, {{"metadata", {{"name", "j"}, {"namespace", "n"}, {"uid", "the-uid"}}}});
    begin();
  }

  // An operator begins to look after the job.
  void begin() {
    authority_ =
        std::make_shared<CertificateAuthority>(AuthorityOptions{client_,
                                                                {"system", "ca"},
                                                                certificates::Lives{},
                                                                [this] { return seen_.now_ms; },
                                                                Logger(log_)});
    certificates_ = std::make_unique<JobCertificates>(client_, parallel_, authority_, Logger(log_));
  }

  // One turn; its requests.
  std::vector<std::string> turn() {
    api_->take_asked();
    last_ = certificates_->keep(seen_, packed(job()));
    told_ = tell(job());
    return api_->take_asked();
  }
  // What whoever writes the status does with what it does not tell yet.
  Result<void> tell(const kube::Object& as_seen) {
    const auto& untold = certificates_->untold();
    if (!untold) return {};
    const auto written = client_->replace(
        kube::kTrainingJobs, {"n", "j"}, kube::with_certificates(*as_seen.body, *untold), "status");
    if (!written) return tl::unexpected(written.error().error);
    certificates_->told();
    return {};
  }
  kube::Object job() const {
    const json body = api_->get(kJobPath);
    return {"n", "j", "the-uid", body["metadata"]["resourceVersion"].get<std::string>(),
            std::make_shared<const json>(body)};
  }
  std::string entry(const char* secret, const char* name) const {
    return decode_base64(api_->get(secret)["data"][name].get<std::string>()).value();
  }
  decide::Process starting_pod() const {
    decide::Process process;
    process.role = Role::kWorker;
    process.state = ProcessState::kStarting;
    process.node = "node1";
    process.started_ms = seen_.now_ms;
    return process;
  }

  std::shared_ptr<kube::FakeApi> api_ = std::make_shared<kube::FakeApi>();
  std::shared_ptr<kube::KubeClient> client_ = std::make_shared<kube::KubeClient>(api_, "tester");
  std::shared_ptr<Parallel> parallel_ = std::make_shared<Parallel>(1);
  std::shared_ptr<CapturedLog> log_ = std::make_shared<CapturedLog>();
  decide::Observed seen_;
  std::shared_ptr<CertificateAuthority> authority_;
  std::unique_ptr<JobCertificates> certificates_;
  Result<void> last_;
  Result<void> told_;
};

TEST_F(AJob, HasItsSecretsBeforeAnythingElse) {
  const auto asked = turn();
  ASSERT_TRUE(last_) << last_.error().message;
  ASSERT_TRUE(told_) << told_.error().message;
  // Secrets of jobs are written, and never read.
  EXPECT_THAT(
      asked,
      ElementsAre(std::string("GET ") + kAuthorityPath, "POST /api/v1/namespaces/system/secrets",
                  std::string("PATCH ") + kServerPath, std::string("PATCH ") + kWorkerPath,
                  std::string("PUT ") + kJobPath + "/status"));
  const std::pair<const char*, const char*> rows[] = {
      {kServerPath, "spiffe://ballast/n/the-uid/server"},
      {kWorkerPath, "spiffe://ballast/n/the-uid/worker"}};
  for (const auto& [path, uri] : rows) {
    const auto facts = certificate_facts(entry(path, "tls.crt"));
    ASSERT_TRUE(facts);
    EXPECT_THAT(facts->uris, ElementsAre(uri));
    EXPECT_EQ(facts->ends_ms, seen_.now_ms + 7 * kDayMs);
    EXPECT_TRUE(check_key(entry(path, "tls.crt"), entry(path, "tls.key")));
    EXPECT_EQ(entry(path, "ca.crt"), certificates::trusted_by(authority_->get().value()));
  }
  EXPECT_NE(entry(kServerPath, "tls.key"), entry(kWorkerPath, "tls.key"));
  EXPECT_EQ(kube::certificates_of(*job().body)->end_ms, seen_.now_ms + 7 * kDayMs);
  EXPECT_THAT(log_->lines(), Each(Not(HasSubstr("PRIVATE"))));
}

TEST_F(AJob, IsNotWrittenAgainBeforeItIsTime) {
  turn();
  const auto due_ms = kube::certificates_of(*job().body)->renew_ms;
  EXPECT_THAT(turn(), IsEmpty());
  begin();  // another operator, or this one started anew
  EXPECT_THAT(turn(), ElementsAre(std::string("GET ") + kAuthorityPath));
  EXPECT_THAT(turn(), IsEmpty());
  seen_.now_ms = due_ms - 1000;
  EXPECT_THAT(turn(), Not(Contains(HasSubstr("PATCH"))));

  const std::string before = entry(kServerPath, "tls.crt");
  seen_.now_ms = due_ms;
  EXPECT_THAT(turn(), Contains(std::string("PATCH ") + kServerPath));
  EXPECT_NE(entry(kServerPath, "tls.crt"), before);
  EXPECT_EQ(kube::certificates_of(*job().body)->end_ms, seen_.now_ms + 7 * kDayMs);
}

TEST_F(AJob, ThatTrustsItsNetworkOrStandsStillNeedsNone) {
  seen_.job.spec.trusted_network = true;
  EXPECT_THAT(turn(), IsEmpty());
  seen_.job.spec.trusted_network = false;
  seen_.job.spec.suspend = true;
  EXPECT_THAT(turn(), IsEmpty());
  // Long after: before it goes on it gets fresh ones.
  seen_.job.spec.suspend = false;
  turn();
  seen_.job.spec.suspend = true;
  seen_.now_ms += 30 * kDayMs;
  EXPECT_THAT(turn(), IsEmpty());
  seen_.job.spec.suspend = false;
  EXPECT_THAT(turn(), Contains(std::string("PATCH ") + kWorkerPath));
}

// An authority that somebody has put in the place of the one that signed.
TEST_F(AJob, IsWrittenAnewWhenItsSignerIsNotBelievedAnyMore) {
  turn();
  api_->remove(kAuthorityPath);
  begin();
  EXPECT_THAT(turn(), Contains(std::string("PATCH ") + kServerPath));
  EXPECT_THAT(turn(), IsEmpty());
}

TEST_F(AJob, KeepsItsCertificatesThroughASuccession) {
  turn();
  seen_.now_ms += (9 * 365 + 1) * kDayMs;
  turn();
  seen_.now_ms += 15 * kDayMs;
  turn();
  const auto authority = authority_->get().value();
  ASSERT_FALSE(authority.previous.empty());
  EXPECT_THAT(entry(kWorkerPath, "ca.crt"), HasSubstr(authority.previous));
  EXPECT_EQ(kube::certificates_of(*job().body)->signer, certificates::signer_of(authority).value());
}

TEST_F(AJob, WithoutAnyCertificateIsNotStarted) {
  api_->refuse("PATCH", 403);
  turn();
  ASSERT_FALSE(last_);
  EXPECT_THAT(last_.error().message, HasSubstr("j-ps-tls"));
  api_->refuse("PATCH", 0);
  turn();
  EXPECT_TRUE(last_);
}

TEST_F(AJob, IsLookedAfterWhileItsRenewalFails) {
  turn();
  seen_.now_ms = kube::certificates_of(*job().body)->renew_ms;
  api_->refuse("PATCH", 503);
  EXPECT_THAT(turn(), Contains(HasSubstr("PATCH")));
  EXPECT_TRUE(last_) << "supervision goes on";
  EXPECT_THAT(log_->lines(), Contains(HasSubstr("not renewed")));
  EXPECT_THAT(turn(), IsEmpty()) << "not at every turn";
  api_->refuse("PATCH", 0);
  seen_.now_ms += 10'000;
  turn();
  EXPECT_EQ(kube::certificates_of(*job().body)->end_ms, seen_.now_ms + 7 * kDayMs);
}

// Two operators at once: whoever was slower tells nothing of what the other wrote.
TEST_F(AJob, TellsNothingOfAJobThatHasChanged) {
  const kube::Object stale = job();
  json changed = api_->get(kJobPath);
  changed["spec"] = {{"suspend", false}};
  api_->put(kJobPath, changed);
  ASSERT_TRUE(certificates_->keep(seen_, packed(stale)));
  told_ = tell(stale);
  ASSERT_FALSE(told_);
  EXPECT_EQ(told_.error().code, ErrorCode::kConflict);
  EXPECT_EQ(kube::certificates_of(*job().body), std::nullopt);
  EXPECT_THAT(turn(), ElementsAre(std::string("PUT ") + kJobPath + "/status"))
      << "the Secrets are written already";
  EXPECT_NE(kube::certificates_of(*job().body), std::nullopt);
}

// A schema from before this drops the field.
TEST_F(AJob, IsNotWrittenAtEachTurnWhereTheStatusForgets) {
  turn();
  json forgotten = api_->get(kJobPath);
  forgotten.erase("status");
  api_->put(kJobPath, forgotten);
  EXPECT_THAT(turn(), IsEmpty());
}

TEST_F(AJob, WhoseSecretSomebodyRemovedGetsItBackForThePodThatWaits) {
  turn();
  seen_.now_ms += kDayMs;
  turn();
  api_->remove(kWorkerPath);
  seen_.processes = {starting_pod()};
  seen_.now_ms += 29'000;
  EXPECT_THAT(turn(), IsEmpty());
  seen_.now_ms += 1'000;
  EXPECT_THAT(turn(), Contains(std::string("PATCH ") + kWorkerPath));
  seen_.now_ms += kDayMs;
  EXPECT_THAT(turn(), Not(Contains(HasSubstr("PATCH")))) << "once for each pod";
  // One without a node waits for something else.
  seen_.processes = {starting_pod()};
  seen_.processes[0].node.clear();
  seen_.now_ms += kMinuteMs;
  EXPECT_THAT(turn(), Not(Contains(HasSubstr("PATCH"))));
}

}  // namespace
}  // namespace ballast::cluster
