// The Secrets of a job's pods, and what the status tells of them.
#include "operator/core/job_secrets.h"

#include <gmock/gmock.h>

#include "common/base64.h"

namespace ballast::kube {
namespace {

using api::ConditionType;
using decide::Role;
using nlohmann::json;

constexpr decide::TimeMs kDayMs = decide::TimeMs{24} * 3600 * 1000;
constexpr decide::TimeMs kNowMs = 1'769'860'800'000;  // 2026-01-31T12:00:00Z

api::TrainingJob some_job() {
  api::TrainingJob job;
  job.metadata.name = "j";
  job.metadata.name_space = "n";
  job.metadata.uid = "the-uid";
  return job;
}

TEST(JobSecrets, AreOneARole) {
  const json made = tls_secret(some_job(), Role::kWorker, "certificate", "key", "authority");
  EXPECT_EQ(made["type"], "kubernetes.io/tls");
  EXPECT_EQ(made["metadata"]["name"], "j-worker-tls");
  EXPECT_EQ(made["metadata"]["namespace"], "n");
  EXPECT_EQ(made["metadata"]["ownerReferences"][0]["uid"], "the-uid");
  EXPECT_EQ(made["metadata"]["labels"], json({{"ballast.dev/job", "j"}}));
  EXPECT_EQ(made["data"], json({{"tls.crt", encode_base64("certificate")},
                                {"tls.key", encode_base64("key")},
                                {"ca.crt", encode_base64("authority")}}));
  EXPECT_EQ(tls_secret(some_job(), Role::kServer, "", "", "")["metadata"]["name"], "j-ps-tls");
}

TEST(JobSecrets, AreForJobsThatRunAndDoNotTrustTheirNetwork) {
  const api::TrainingJob job = some_job();
  EXPECT_TRUE(needs_certificates(job, {}));
  api::TrainingJob other = job;
  other.spec.trusted_network = true;
  EXPECT_FALSE(needs_certificates(other, {}));
  other = job;
  other.spec.suspend = true;
  EXPECT_FALSE(needs_certificates(other, {}));
  for (const ConditionType end : {ConditionType::kSucceeded, ConditionType::kFailed}) {
    api::TrainingJobStatus status;
    status.conditions = {{end, true, "", "", 0}};
    EXPECT_FALSE(needs_certificates(job, status));
  }
}

TEST(JobSecrets, TheStatusSaysWhatWasWritten) {
  const CertificatesStatus written{kNowMs + 7 * kDayMs, kNowMs + 4 * kDayMs, "0123456789abcdef"};
  const json job =
      with_certificates({{"metadata", {{"name", "j"}}}, {"status", {{"step", 3}}}}, written);
  EXPECT_EQ(job, json({{"metadata", {{"name", "j"}}},
                       {"status",
                        {{"step", 3},
                         {"certificates",
                          {{"expirationTime", "2026-02-07T12:00:00Z"},
                           {"renewalTime", "2026-02-04T12:00:00Z"},
                           {"signer", "0123456789abcdef"}}}}}}));
  EXPECT_EQ(certificates_of(job), written);
  EXPECT_EQ(certificates_of(with_certificates(json::object(), written)), written);

  json status = {{"state", "Running"}};
  keep_certificates(job, status);
  EXPECT_EQ(certificates_of({{"status", status}}), written);
  EXPECT_EQ(status["state"], "Running");
  json without = json::object();
  keep_certificates({{"status", {{"state", "x"}}}}, without);
  EXPECT_EQ(without, json::object());
}

TEST(JobSecrets, WhatCannotBeReadIsAsIfNothingWasWritten) {
  for (const char* job :
       {"{}", R"({"status":7})", R"({"status":{}})", R"({"status":{"certificates":7}})",
        R"({"status":{"certificates":{"expirationTime":"2026-02-07T12:00:00Z"}}})",
        R"({"status":{"certificates":{"expirationTime":"x","renewalTime":"y","signer":"z"}}})",
        R"({"status":{"certificates":{"expirationTime":7,"renewalTime":7,"signer":7}}})"}) {
    EXPECT_EQ(certificates_of(json::parse(job)), std::nullopt) << job;
  }
}

TEST(JobSecrets, AreRenewedWhileMoreThanAThirdIsLeftAndNotAllAtOnce) {
  const decide::TimeMs life_ms = 7 * kDayMs;
  decide::TimeMs first_ms = INT64_MAX, last_ms = 0;
  for (int job = 0; job < 1000; ++job) {
    const auto renew_ms = renewal_of(kNowMs, kNowMs + life_ms, "uid-" + std::to_string(job));
    EXPECT_GE(renew_ms, kNowMs + life_ms / 2);
    EXPECT_LT(renew_ms, kNowMs + life_ms * 2 / 3);
    first_ms = std::min(first_ms, renew_ms);
    last_ms = std::max(last_ms, renew_ms);
  }
  EXPECT_GT(last_ms - first_ms, life_ms / 20);
}

}  // namespace
}  // namespace ballast::kube
