#include "services/server/checkpoint_requests.h"

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "services/checkpoint/history.h"

namespace ballast {
namespace {

struct Request {
  Term term = 0;
  std::string name;  // the same for the same
  std::function<Message()> work;
};

std::string text_of(const Result<void>& result) { return result ? "" : result.error().message; }

// The last ones of the list are the newest.
void keep_newest(std::vector<std::string>& ascending) {
  constexpr size_t kMost = CheckpointRequests::kMostListed;
  if (ascending.size() <= kMost) return;
  ascending.erase(ascending.begin(), ascending.end() - static_cast<std::ptrdiff_t>(kMost));
}

Result<void> may_touch(const std::string& path, const std::string& directory,
                       const std::string& path_of_job) {
  if (!path_of_job.empty() && path != path_of_job) {
    return fail(
        ErrorCode::kDenied,
        fmt::format("{} is not in {}, where the job has its checkpoints", directory, path_of_job));
  }
  return check_belongs(path, directory);
}

CheckpointVerified verify(const VerifyCheckpoint& request, const std::string& path_of_job,
                          const std::stop_token& stop) {
  CheckpointVerified answer{request.directory, "", {}};
  const auto verified = may_touch(request.path, request.directory, path_of_job).and_then([&] {
    // The operator takes for damaged what is answered with an error.
    return verify_patiently(request.directory, half_a_minute(stop), stop);
  });
  answer.error = text_of(verified);
  if (verified) answer.abandoned = abandoned_before(request.directory);
  keep_newest(answer.abandoned);
  return answer;
}

CheckpointDeleted remove(const DeleteCheckpoint& request, const std::string& path_of_job) {
  const auto removed = may_touch(request.path, request.directory, path_of_job).and_then([&] {
    return remove_if_there(request.directory);
  });
  return {request.directory, text_of(removed)};
}

CheckpointsFound find(const FindCheckpoint& request, const std::stop_token& stop) {
  CheckpointsFound answer;
  answer.path = request.path;
  auto history = read_history(request.path, request.job_config, stop, half_a_minute(stop));
  if (!history) {
    answer.error = history.error().message;
    return answer;
  }
  answer.newest = std::move(history->newest);
  answer.complete = std::move(history->complete);
  answer.damaged = std::move(history->damaged);
  answer.incomplete = std::move(history->incomplete);
  answer.highest_term = history->highest_term;
  keep_newest(answer.complete);
  keep_newest(answer.incomplete);
  if (answer.damaged.size() > CheckpointRequests::kMostListed) {
    answer.damaged.resize(CheckpointRequests::kMostListed);
  }
  return answer;
}

// Nothing: it is no request about checkpoints.
std::optional<Request> request_of(const Message& message, const std::string& path_of_job,
                                  const std::stop_token& stop) {
  if (const auto* one = std::get_if<VerifyCheckpoint>(&message)) {
    return Request{one->term, "verify " + one->directory,
                   [one = *one, path_of_job, stop] { return verify(one, path_of_job, stop); }};
  }
  if (const auto* one = std::get_if<DeleteCheckpoint>(&message)) {
    return Request{one->term, "delete " + one->directory,
                   [one = *one, path_of_job] { return remove(one, path_of_job); }};
  }
  if (const auto* one = std::get_if<FindCheckpoint>(&message)) {
    return Request{one->term, "find " + one->path, [one = *one, stop] { return find(one, stop); }};
  }
  return std::nullopt;
}

}  // namespace

bool is_checkpoint_request(const Message& message) {
  return std::holds_alternative<VerifyCheckpoint>(message) ||
         std::holds_alternative<DeleteCheckpoint>(message) ||
         std::holds_alternative<FindCheckpoint>(message);
}

Result<void> CheckpointRequests::take(const Envelope& envelope, const RequestLimits& limits) {
  auto request = request_of(envelope.message, limits.checkpoint_path, thread_.stop_token());
  if (!request) return fail(ErrorCode::kInvalid, "it is none about checkpoints");
  if (request->term < limits.promised) {
    return fail(ErrorCode::kConflict,
                fmt::format("it is of term {}, {} was promised", request->term, limits.promised));
  }
  const auto known = in_hand_.find(request->name);
  if (known != in_hand_.end()) {
    known->second = envelope.from;
    return {};
  }
  if (in_hand_.size() >= kMostWaiting) {
    return fail(ErrorCode::kUnavailable, fmt::format("{} others wait", in_hand_.size()));
  }
  in_hand_[request->name] = envelope.from;
  auto answer = std::make_shared<Message>();
  thread_.submit([answer, work = std::move(request->work)] { *answer = work(); },
                 [this, answer, name = request->name] {
                   answers_.emplace_back(in_hand_.extract(name).mapped(), std::move(*answer));
                 });
  return {};
}

std::vector<CheckpointRequests::Answer> CheckpointRequests::take_answers() {
  thread_.run_finished();
  return std::exchange(answers_, {});
}

}  // namespace ballast
