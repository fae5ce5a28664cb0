#include "operator/local/local_job.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "common/clock.h"
#include "common/descriptor.h"
#include "common/exit_code.h"
#include "common/file.h"
#include "operator/core/advance.h"
#include "operator/core/decide.h"
#include "operator/local/checkpoint_keeper.h"
#include "operator/local/control_socket.h"
#include "operator/local/file_watch.h"
#include "operator/local/job_config.h"
#include "operator/local/policy_audit.h"
#include "operator/local/process_table.h"
#include "operator/local/session_keeper.h"
#include "operator/local/store_file.h"
#include "operator/policy/job_policies.h"

namespace ballast::local {
namespace {

namespace fs = std::filesystem;

constexpr decide::TimeMs kTickMs = 200;
constexpr decide::TimeMs kSilenceToTellMs = 10'000;
constexpr int kScrapeEveryMs = 500;
constexpr int kMaxRoundsAtOnce = 100;

std::string lines_of(const api::Problems& problems, const std::string& file) {
  std::string text;
  for (const api::Problem& problem : problems) {
    text += (text.empty() ? "" : "\n") + api::format(problem, file);
  }
  return text;
}

void drain(const Descriptor& descriptor) {
  char buffer[4096];
  while (::read(descriptor.get(), buffer, sizeof buffer) > 0) {
  }
}

class LocalJobImpl final : public LocalJob {
 public:
  LocalJobImpl(LocalJobOptions options, const RunFolder& folder, OrphanGuard& guard,
               Signals& signals, RunListener& listener, StoreFile store,
               RunCertificates certificates, ControlSocket control)
      : options_(std::move(options)),
        folder_(folder),
        signals_(signals),
        listener_(listener),
        store_(std::move(store)),
        certificates_(std::move(certificates)),
        control_(std::move(control)),
        notified_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        ready_files_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
        keeper_(options_.verify_checkpoint, options_.remove_checkpoint,
                [fd = notified_.get()] { ::eventfd_write(fd, 1); }),
        scraper_(kScrapeEveryMs),
        policies_(policy::kOnOneMachine),
        audit_(folder_.logs() / "policies.jsonl"),
        processes_(options_, certificates_, folder_, guard, listener_, scraper_),
        session_(session_options()) {
    observed_.job = options_.job;
    observed_.status = store_.status();
    ::inotify_add_watch(ready_files_.get(), folder_.ready().c_str(), IN_MOVED_TO | IN_CLOSE_WRITE);
    if (options_.file) watch_file();
  }

  Result<RunOutcome> run() override {
    auto outcome = loop();
    session_.close(observed_);
    processes_.clear();
    return outcome;
  }

  const Scraper& scraper() const override { return scraper_; }

 private:
  Result<RunOutcome> loop() {
    for (;;) {
      observe();
      if (ended_at_once_)
        return RunOutcome{to_status(ExitCode::kInterrupted), "Interrupted", "ended at once",
                          latest_checkpoint()};
      for (int round = 0;; ++round) {
        const decide::Actions actions = decide::decide(observed_);
        wake_at_ms_ = actions.wake_at_ms;
        if (actions.list.empty() || round == kMaxRoundsAtOnce) break;
        auto performed = perform(actions);
        if (!performed) return tl::unexpected(performed.error());
        if (finished_) return outcome();
      }
      listener_.tick();
      wait();
    }
  }

  std::string latest_checkpoint() const {
    std::string latest;
    for (const api::CheckpointStatus& checkpoint : observed_.status.checkpoints) {
      if (!checkpoint.damaged) latest = checkpoint.directory;
    }
    return latest;
  }

  RunOutcome outcome() const {
    for (auto type : {api::ConditionType::kSucceeded, api::ConditionType::kFailed,
                      api::ConditionType::kSuspended}) {
      const api::Condition* condition = decide::find_condition(observed_.status, type);
      if (condition != nullptr && condition->status)
        return {*finished_, condition->reason, condition->message, latest_checkpoint()};
    }
    return {*finished_, "", "", latest_checkpoint()};
  }

  void wait() {
    decide::TimeMs timeout = kTickMs;
    if (wake_at_ms_)
      timeout = std::clamp<decide::TimeMs>(*wake_at_ms_ - clock_.now_ms(), 0, kTickMs);
    due_ms_ = clock_.now_ms() + timeout;
    pollfd entries[] = {{signals_.fd(), POLLIN, 0},
                        {notified_.get(), POLLIN, 0},
                        {ready_files_.get(), POLLIN, 0},
                        {control_.fd(), POLLIN, 0},
                        {file_watch_ ? file_watch_->fd() : -1, POLLIN, 0}};
    ::poll(entries, std::size(entries), static_cast<int>(timeout));
    if ((entries[3].revents & POLLIN) != 0) {
      control_.serve([this](const api::Changes& changes) { return change(changes); });
    }
  }

  SessionKeeperOptions session_options() {
    SessionKeeperOptions options;
    options.who = "supervisor";
    if (options_.network == Network::kTcp) {
      options.tls = [files = certificates_.operator_role](const api::TrainingJob& job) {
        return ControlTls{[files] { return read_identity(files); },
                          certificates::identity_uri(job.metadata.name_space, job.metadata.uid,
                                                     certificates::Role::kServer)};
      };
    }
    options.notify = [fd = notified_.get()] { ::eventfd_write(fd, 1); };
    options.progress = [this](const Progress& progress) { listener_.progress(progress); };
    return options;
  }

  // ---- what is wished ----

  void watch_file() {
    auto watch = FileWatch::open(options_.file->path, api::kMaxDocumentBytes);
    if (watch) {
      file_watch_.emplace(std::move(*watch));
    } else {
      listener_.warning("edits of the job file are not seen: " + watch.error().message);
    }
  }

  // What is wrong is told, and nothing of the edit is done.
  void take_edit() {
    if (!file_watch_) return;
    const auto text = file_watch_->take();
    if (!text) return;
    if (!*text) return listener_.warning((*text).error().message);
    JobFile& file = *options_.file;
    auto edited = api::read_edited_yaml(**text, file.overrides, observed_.job);
    if (!edited) {
      return listener_.warning("the edit is not taken:\n" + lines_of(edited.error(), file.path));
    }
    auto changed = change(api::changes_between(file.job, *edited));
    if (!changed) return listener_.warning("the edit is not taken:\n" + changed.error().message);
    file.job = std::move(*edited);
  }

  Result<std::string> change(const api::Changes& changes) {
    if (changes.empty()) return "nothing changes";
    if (decide::has_outcome(observed_.status) && !decide::is_parked(observed_, observed_.status)) {
      return fail(ErrorCode::kGone, "the job has ended");
    }
    auto job = api::changed_job(observed_.job, changes);
    if (!job) return fail(ErrorCode::kInvalid, lines_of(job.error(), ""));
    const std::string what = api::describe(changes, observed_.job);
    auto written = write_file_atomically(folder_.path() / "job.json", job_config_json(*job), 0600);
    if (!written) return tl::unexpected(written.error());
    observed_.job = std::move(*job);
    listener_.job_changed(observed_.job, what);
    return what;
  }

  // ---- what is there ----

  void observe() {
    observed_.now_ms = clock_.now_ms();
    // Stopped by a person, or short of processor time: nobody listened meanwhile.
    const auto due_ms = std::exchange(due_ms_, std::nullopt);
    if (due_ms && observed_.now_ms > *due_ms) decide::excuse(observed_, observed_.now_ms - *due_ms);
    drain(notified_);
    drain(ready_files_);
    take_signals();
    take_edit();
    processes_.observe(observed_.now_ms);
    observed_.processes = processes_.processes();
    take_checkpoints();
    session_.observe(observed_);
    if (session_.wanted()) watch_session();
    ask_policies();
  }

  void ask_policies() {
    for (const decide::Process& process : observed_.processes) {
      const std::string name = decide::process_name(process.role, process.index);
      const auto answer = scraper_.latest(name + "." + std::to_string(process.instance));
      if (!answer) continue;
      policies_.take(
          {name, process.instance, answer->asked_ms, answer->answered_ms, answer->exposition});
    }
    auto outcome = policies_.turn(observed_);
    if (!outcome) return;
    policy::adopt(*outcome, observed_);
    listener_.policies_asked(outcome->decisions);
    for (const policy::Decision& decision : outcome->news) {
      audit_.write(decision, observed_.status);
      listener_.policy_decided(decision);
    }
  }

  void take_checkpoints() {
    for (CheckpointKeeper::Done& done : keeper_.take()) {
      std::erase(observed_.in_hand, done.directory);
      if (done.deletion) {
        if (!done.error.empty()) listener_.warning("a checkpoint is left over: " + done.error);
        observed_.deleted.push_back(done.directory);
      } else {
        if (!done.error.empty()) listener_.checkpoint_damaged(done.error);
        observed_.checked.push_back({done.directory, done.error});
        if (done.error.empty() && options_.abandoned_before)
          for (std::string& one : options_.abandoned_before(done.directory))
            observed_.abandoned.push_back(std::move(one));
      }
    }
  }

  void take_signals() {
    for (int signal : signals_.take()) {
      if (signal == SIGCHLD) continue;
      if (observed_.stop_requested) ended_at_once_ = true;
      observed_.stop_requested = true;
      observed_.stop_requested_ms = observed_.now_ms;
      listener_.stop_requested();
    }
  }

  void watch_session() {
    if (observed_.session) without_session_since_ms_.reset();
    if (observed_.session || decide::has_outcome(observed_.status)) return;
    if (!without_session_since_ms_) without_session_since_ms_ = observed_.now_ms;
    if (observed_.now_ms - *without_session_since_ms_ < kSilenceToTellMs) return;
    without_session_since_ms_ = observed_.now_ms;  // and again after as long
    const std::string& failure = session_.last_failure();
    listener_.warning("no session with " + observed_.status.coordinator + ": " +
                      (failure.empty() ? "it does not answer" : failure));
  }

  // ---- what is to be done ----

  Result<void> perform(const decide::Actions& actions) {
    for (const decide::Action& action : actions.list) {
      auto performed = std::visit([this](const auto& one) { return perform_one(one); }, action);
      if (!performed) return performed;
    }
    return {};
  }

  Result<void> perform_one(const decide::WriteStatus& write) {
    const api::TrainingJobStatus before = observed_.status;
    auto written = store_.compare_and_swap(write.expected_version, write.next);
    if (!written) return written;
    decide::adopt_written(observed_, store_.status());
    tell_changes(before, observed_.status);
    // Before anything is stopped: the last figures.
    if (!decide::has_outcome(before) && decide::has_outcome(observed_.status))
      scraper_.scrape_now();
    return {};
  }

  void tell_changes(const api::TrainingJobStatus& before, const api::TrainingJobStatus& now) {
    const bool suspended = decide::is_true(now, api::ConditionType::kSuspended);
    if (suspended != decide::is_true(before, api::ConditionType::kSuspended) &&
        !observed_.stop_requested) {
      return listener_.suspended(suspended,
                                 suspended ? now.progress.last_checkpoint : now.restore_from);
    }
    for (const api::MemberStatus& member : before.members) {
      if (std::find(now.members.begin(), now.members.end(), member) != now.members.end()) continue;
      if (decide::stays(now, member.name)) {
        listener_.member_removed(member.name, member.incarnation);
      } else {
        listener_.member_left(member.name, member.incarnation);
      }
    }
    if (before.origin > 0 && now.origin == 0) goes_back_ = true;
    // Where to is known once what is complete has been read.
    if (goes_back_ && now.term > before.term) {
      goes_back_ = false;
      listener_.goes_back(now.restore_from);
    }
    for (const api::CheckpointStatus& checkpoint : now.checkpoints) {
      const auto same = [&](const auto& known) { return known.directory == checkpoint.directory; };
      if (std::none_of(before.checkpoints.begin(), before.checkpoints.end(), same))
        listener_.checkpoint_complete(checkpoint.directory);
    }
    if (now.term > before.term) listener_.appointed(now.term, now.coordinator);
    const bool degraded = decide::is_true(now, api::ConditionType::kDegraded);
    if (degraded != decide::is_true(before, api::ConditionType::kDegraded))
      listener_.degraded(degraded);
  }

  Result<void> perform_one(const decide::StartProcess& start) {
    processes_.start(start, observed_.status.members, observed_.now_ms);
    observed_.processes = processes_.processes();
    return {};
  }

  Result<void> perform_one(const decide::StopProcess& stop) {
    processes_.stop(stop, observed_.now_ms);
    observed_.processes = processes_.processes();
    return {};
  }

  template <typename Message>
  Result<void> perform_one(const Message& message) {
    session_.send(message, observed_);
    return {};
  }

  Result<void> perform_one(const decide::VerifyCheckpoint& verify) {
    observed_.in_hand.push_back(verify.directory);
    keeper_.verify(verify.directory);
    return {};
  }

  Result<void> perform_one(const decide::DeleteCheckpoint& remove) {
    observed_.in_hand.push_back(remove.directory);
    keeper_.remove(remove.directory);
    return {};
  }

  // Of a cluster.
  Result<void> perform_one(const decide::FindCheckpoint&) { return {}; }
  Result<void> perform_one(const decide::RemoveEnded&) { return {}; }
  Result<void> perform_one(const decide::DeleteJob&) { return {}; }

  Result<void> perform_one(const decide::Finish& finish) {
    finished_ = finish.exit_code;
    return {};
  }

  LocalJobOptions options_;
  const RunFolder& folder_;
  Signals& signals_;
  RunListener& listener_;
  StoreFile store_;
  RunCertificates certificates_;
  ControlSocket control_;
  std::optional<FileWatch> file_watch_;
  SteadyClock clock_;
  Descriptor notified_;     // written by the client's threads
  Descriptor ready_files_;  // inotify: a ready-file appeared
  CheckpointKeeper keeper_;
  Scraper scraper_;
  policy::JobPolicies policies_;
  PolicyAudit audit_;
  decide::Observed observed_;
  ProcessTable processes_;
  SessionKeeper session_;
  std::optional<decide::TimeMs> wake_at_ms_;
  std::optional<decide::TimeMs> due_ms_;  // the next look
  std::optional<decide::TimeMs> without_session_since_ms_;
  std::optional<int> finished_;
  bool ended_at_once_ = false;
  bool goes_back_ = false;  // and it is not known yet to which checkpoint
};

}  // namespace

Result<std::unique_ptr<LocalJob>> LocalJob::create(LocalJobOptions options, const RunFolder& folder,
                                                   OrphanGuard& guard, Signals& signals,
                                                   RunListener& listener) {
  for (const char* program : {"ballast-ps", "ballast-worker"}) {
    const fs::path path = options.programs / program;
    if (::access(path.c_str(), X_OK) != 0) return tl::unexpected(file_error(errno, "start", path));
  }
  auto store = StoreFile::open(folder.path());
  if (!store) return tl::unexpected(store.error());
  if (options.resume && store->status().version == 0) {
    api::TrainingJobStatus status;
    status.term = options.resume->term;
    status.restore_from = options.resume->checkpoint;
    status.deletable = options.resume->deletable;
    for (const std::string& directory : options.resume->checkpoints) {
      status.checkpoints.push_back({directory, directory == options.resume->checkpoint, false});
    }
    auto seeded = store->compare_and_swap(0, std::move(status));
    if (!seeded) return tl::unexpected(seeded.error());
  }
  RunCertificates certificates;
  if (options.network == Network::kTcp) {
    auto made = make_run_certificates(folder.tls(), options.job.metadata.name_space,
                                      options.job.metadata.uid);
    if (!made) return tl::unexpected(made.error());
    certificates = std::move(*made);
  }
  auto written =
      write_file_atomically(folder.path() / "job.json", job_config_json(options.job), 0600);
  if (!written) return tl::unexpected(written.error());
  auto control = ControlSocket::listen(folder.path());
  if (!control) return tl::unexpected(control.error());
  return std::make_unique<LocalJobImpl>(std::move(options), folder, guard, signals, listener,
                                        std::move(*store), std::move(certificates),
                                        std::move(*control));
}

}  // namespace ballast::local
