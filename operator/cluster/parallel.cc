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
                                const std::function<void()>& meanwhile, size_t first_at_once) {
  CHECK(first_at_once > 0);
  Batch batch;
  batch.count = count;
  batch.at_once = first_at_once;
  batch.item = &item;
  {
    const MutexLock lock(mutex_);
    line_up(batch);
  }
  if (meanwhile) meanwhile();
  const MutexLock lock(mutex_);
  while (!batch.over()) over_.wait_for(mutex_, kPatience);
  return batch.result;
}

void Parallel::line_up(Batch& batch) {
  if (batch.in_line || !batch.may_begin()) return;
  batch.in_line = true;
  line_.push_back(&batch);
  work_.notify_one();
}

void Parallel::end(Batch& batch, Result<void> result) {
  ++batch.ended;
  if (!result) {
    if (batch.result) batch.result = std::move(result);
    if (std::exchange(batch.in_line, false)) std::erase(line_, &batch);
  } else {
    batch.at_once = std::min(batch.at_once * 2, batch.count);
  }
  line_up(batch);
  if (batch.over()) over_.notify_all();
}

void Parallel::work(const std::stop_token& stop) {
  mutex_.lock();
  while (!stop.stop_requested()) {
    if (line_.empty()) {
      work_.wait_for(mutex_, kPatience);
      continue;
    }
    Batch& batch = *line_.front();
    line_.pop_front();
    batch.in_line = false;
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
