#include "operator/cluster/operator.h"

#include <utility>

#include "common/unix_time.h"

namespace ballast::cluster {
namespace {

constexpr int64_t kStuckElectionMs = 60'000;
constexpr int64_t kStuckTurnMs = 600'000;  // a request ends after 30 s, and a turn has many
constexpr const char* kManager = "ballast-operator";

// The label of metrics: "https://10.96.0.1:443" is "10.96.0.1:443".
std::string host_of(const std::string& server) {
  const size_t scheme = server.find("://");
  return scheme == std::string::npos ? server : server.substr(scheme + 3);
}

// Where the Lease and the authority are.
std::string name_space_of(const OperatorOptions& options) {
  const std::string& name_space = options.config.leader_election.name_space;
  return name_space.empty() ? options.name_space : name_space;
}

std::shared_ptr<CertificateAuthority> authority_of(
    const OperatorOptions& options, const std::shared_ptr<kube::HttpTransport>& transport) {
  certificates::Lives lives;
  lives.leaf_ms = options.config.certificates.minutes * 60'000;
  return std::make_shared<CertificateAuthority>(
      AuthorityOptions{std::make_shared<kube::KubeClient>(transport, kManager),
                       {name_space_of(options), options.config.certificates.authority_secret},
                       lives,
                       unix_now_ms,
                       options.log});
}

std::function<void(const std::string&, int, std::optional<double>)> counting(
    const std::shared_ptr<OperatorMetrics>& metrics) {
  return [metrics](const std::string& method, int status, std::optional<double> seconds) {
    metrics->request(method, status, seconds);
  };
}

}  // namespace

Operator::Operator(OperatorOptions options)
    : options_(std::move(options)),
      metrics_(std::make_shared<OperatorMetrics>(host_of(options_.server))),
      authority_transport_(std::make_shared<GuardedTransport>(options_.transport, guards())),
      authority_(authority_of(options_, authority_transport_)) {
  controller_ = make_controller();
  const LeaderElectionConfig& election = options_.config.leader_election;
  if (!election.enabled) {
    begin();
    return;
  }
  const auto transport = std::make_shared<GuardedTransport>(
      options_.lease_transport, TransportGuards{nullptr, counting(metrics_)});
  leader_ = std::make_unique<Leader>(
      LeaderOptions{std::make_shared<kube::KubeClient>(transport, kManager),
                    name_space_of(options_), election.name, options_.identity, leadership_,
                    [this] { begin(); }, [this] { cease(); }, options_.log});
}

Operator::~Operator() {
  authority_transport_->stop();
  ending_ = true;
  leader_.reset();  // ceases before it gives the Lease up
  end_controller();
}

TransportGuards Operator::guards() const {
  TransportGuards guards{nullptr, counting(metrics_)};
  if (options_.config.leader_election.enabled) {
    guards.may_write = [leadership = leadership_] { return leadership->leads(); };
  }
  return guards;
}

std::shared_ptr<JobController> Operator::make_controller() const {
  return std::make_shared<JobController>(
      ControllerOptions{std::make_shared<GuardedTransport>(options_.transport, guards()),
                        kManager,
                        options_.config.name_space,
                        authority_,
                        {options_.config.image},
                        static_cast<int>(options_.config.threads),
                        static_cast<int>(options_.config.requests),
                        metrics_,
                        decisions_,
                        options_.log});
}

void Operator::begin() {
  leads_ = true;
  metrics_->leads.Set(1);
  if (const auto jobs = controller()) jobs->begin();  // none: this object is about to end
}

// What has acted never acts again: another one stands by for the next time.
void Operator::cease() {
  end_controller();
  if (ending_) return;
  auto next = make_controller();
  const MutexLock lock(mutex_);
  controller_ = std::move(next);
}

void Operator::end_controller() {
  std::shared_ptr<JobController> ended;
  {
    const MutexLock lock(mutex_);
    ended = std::move(controller_);
  }
  // Also where somebody still asks it for its figures: from here on it does nothing.
  if (ended != nullptr) ended->stop();
  leads_ = false;
  metrics_->leads.Set(0);
}

std::shared_ptr<JobController> Operator::controller() const {
  const MutexLock lock(mutex_);
  return controller_;
}

Result<void> Operator::healthy() const {
  const int64_t quiet_ms = leadership_->quiet_ms();
  if (options_.config.leader_election.enabled && quiet_ms > kStuckElectionMs) {
    return fail(ErrorCode::kUnavailable,
                "the election has stood still for " + std::to_string(quiet_ms) + " ms");
  }
  const auto jobs = controller();
  const int64_t turn_ms = jobs == nullptr ? 0 : jobs->longest_turn_ms();
  if (turn_ms > kStuckTurnMs) {
    return fail(ErrorCode::kUnavailable,
                "a job's turn has not ended for " + std::to_string(turn_ms) + " ms");
  }
  return {};
}

Result<void> Operator::ready() const {
  if (!leads_ && !leadership_->heard())
    return fail(ErrorCode::kUnavailable, "has not reached the API server yet");
  const auto jobs = controller();
  if (jobs == nullptr || jobs->synced()) return {};
  return fail(ErrorCode::kUnavailable, std::string(leads_ ? "leads" : "stands by") +
                                           ", and has not read all jobs and pods yet");
}

std::map<std::string, int64_t> Operator::jobs_by_state() const {
  const auto jobs = controller();
  return jobs == nullptr || !leads_ ? no_jobs_by_state() : jobs->jobs_by_state();
}

std::vector<std::shared_ptr<prometheus::Collectable>> Operator::collectables() const {
  return {metrics_->registry(),
          counted_gauge({"ballast_jobs", "TrainingJobs that this operator looks after.", "state",
                         [this] { return jobs_by_state(); }})};
}

}  // namespace ballast::cluster
