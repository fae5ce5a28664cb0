#include "operator/cluster/parallel.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/check.h"

namespace ballast::cluster {
namespace {

constexpr auto kPatience = std::chrono::seconds(1);  // between two looks; somebody notifies

}  // namespace

Parallel::Parallel(int threads) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

Parallel::~Parallel() {
  for (std::jthread& thread : threads_) thread.request_stop();
  const MutexLock lock(mutex_);
  work_.notify_all();
}

Result<void> Parallel::for_each(size_t count, const std::function<Result<void>(size_t)>& item,
                                const BatchOptions& options) {
  CHECK(options.first_at_once > 0);
  Batch batch;
  batch.group = options.group;
  batch.count = count;
  batch.at_once = options.first_at_once;
  batch.item = &item;
  {
    const MutexLock lock(mutex_);
    line_up(batch);
  }
  if (options.meanwhile) options.meanwhile();
  const MutexLock lock(mutex_);
  while (!batch.over()) over_.wait_for(mutex_, kPatience);
  return batch.result;
}

void Parallel::line_up(Batch& batch) {
  if (batch.in_line || !batch.may_begin()) return;
  batch.in_line = true;
  const auto [line, first] = lines_.try_emplace(batch.group);
  if (first) turns_.push_back(batch.group);
  line->second.push_back(&batch);
  work_.notify_one();
}

Parallel::Batch& Parallel::take_next() {
  std::string group = std::move(turns_.front());
  turns_.pop_front();
  const auto line = lines_.find(group);
  Batch& batch = *line->second.front();
  line->second.pop_front();
  batch.in_line = false;
  if (line->second.empty()) {
    lines_.erase(line);
  } else {
    turns_.push_back(std::move(group));
  }
  return batch;
}

void Parallel::leave_line(Batch& batch) {
  if (!std::exchange(batch.in_line, false)) return;
  const auto line = lines_.find(batch.group);
  std::erase(line->second, &batch);
  if (!line->second.empty()) return;
  lines_.erase(line);
  std::erase(turns_, batch.group);
}

void Parallel::end(Batch& batch, Result<void> result) {
  ++batch.ended;
  if (!result) {
    if (batch.result) batch.result = std::move(result);
    leave_line(batch);
  } else {
    batch.at_once = std::min(batch.at_once * 2, batch.count);
  }
  line_up(batch);
  if (batch.over()) over_.notify_all();
}

void Parallel::work(const std::stop_token& stop) {
  mutex_.lock();
  while (!stop.stop_requested()) {
    if (turns_.empty()) {
      work_.wait_for(mutex_, kPatience);
      continue;
    }
    Batch& batch = take_next();
    const size_t index = batch.begun++;
    line_up(batch);
    mutex_.unlock();
    Result<void> result = (*batch.item)(index);
    mutex_.lock();
    end(batch, std::move(result));
  }
  mutex_.unlock();
}

}  // namespace ballast::cluster
