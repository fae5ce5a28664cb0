#include "operator/cluster/parallel.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/check.h"

namespace ballast::cluster {
namespace {

constexpr auto kPatience = std::chrono::seconds(1);  // between two looks; somebody notifies

}  // namespace

Parallel::Parallel(int threads) : at_once_(static_cast<size_t>(threads)) {
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
    enter(batch);
  }
  if (options.meanwhile) options.meanwhile();
  const MutexLock lock(mutex_);
  while (!batch.over()) over_.wait_for(mutex_, kPatience);
  return batch.result;
}

void Parallel::enter(Batch& batch) {
  if (batch.over()) return;
  ++groups_[batch.group].batches;
  line_up(batch);
  wake();
}

void Parallel::leave(const Batch& batch) {
  const auto group = groups_.find(batch.group);
  if (--group->second.batches == 0) groups_.erase(group);
}

void Parallel::line_up(Batch& batch) {
  if (batch.in_line || !batch.may_begin()) return;
  batch.in_line = true;
  Group& group = groups_.at(batch.group);
  if (group.line.empty()) turns_.push_back(batch.group);
  group.line.push_back(&batch);
}

void Parallel::leave_line(Batch& batch) {
  if (!std::exchange(batch.in_line, false)) return;
  Group& group = groups_.at(batch.group);
  std::erase(group.line, &batch);
  if (group.line.empty()) std::erase(turns_, batch.group);
}

std::deque<std::string>::iterator Parallel::next_turn() {
  auto turn = turns_.begin();
  while (turn != turns_.end() && groups_.at(*turn).under_way * groups_.size() >= at_once_) ++turn;
  return turn;
}

Parallel::Batch* Parallel::take_next() {
  const auto turn = next_turn();
  if (turn == turns_.end()) return nullptr;
  std::string name = std::move(*turn);
  turns_.erase(turn);
  Group& group = groups_.at(name);
  Batch* batch = group.line.front();
  group.line.pop_front();
  batch->in_line = false;
  ++group.under_way;
  if (!group.line.empty()) turns_.push_back(std::move(name));
  return batch;
}

// If there is something for anybody; who takes it wakes the next.
void Parallel::wake() {
  if (next_turn() != turns_.end()) work_.notify_one();
}

void Parallel::end(Batch& batch, Result<void> result) {
  ++batch.ended;
  --groups_.at(batch.group).under_way;
  if (!result) {
    if (batch.result) batch.result = std::move(result);
    leave_line(batch);
  } else {
    batch.at_once = std::min(batch.at_once * 2, batch.count);
  }
  line_up(batch);
  if (batch.over()) {
    leave(batch);
    over_.notify_all();
  }
  wake();
}

void Parallel::work(const std::stop_token& stop) {
  mutex_.lock();
  while (!stop.stop_requested()) {
    Batch* batch = take_next();
    if (batch == nullptr) {
      work_.wait_for(mutex_, kPatience);
      continue;
    }
    const size_t index = batch->begun++;
    line_up(*batch);
    wake();
    mutex_.unlock();
    Result<void> result = (*batch->item)(index);
    mutex_.lock();
    end(*batch, std::move(result));
  }
  mutex_.unlock();
}

}  // namespace ballast::cluster
