#include "services/data/ordered_encoder.h"

#include <utility>

#include "common/check.h"

namespace ballast {

OrderedEncoder::OrderedEncoder(const Tokenizer& tokenizer, size_t threads, Take take)
    : tokenizer_(tokenizer), take_(std::move(take)), most_pieces_(2 * threads + 2) {
  CHECK(threads >= 1);
  for (size_t i = 0; threads > 1 && i < threads; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { serve(stop); });
  }
}

OrderedEncoder::~OrderedEncoder() {
  for (std::jthread& thread : threads_) thread.request_stop();
}

void OrderedEncoder::encode(EncodedPiece& piece) const {
  const auto taken = tokenizer_.encode(piece.text, true, piece.tokens);
  if (!taken) {
    piece.error = taken.error();
  } else {
    CHECK(*taken == piece.text.size());
  }
}

void OrderedEncoder::serve(const std::stop_token& stop) {
  while (true) {
    std::shared_ptr<Slot> slot;
    {
      std::unique_lock lock(mutex_);
      added_.wait(lock, stop, [&] { return !waiting_.empty(); });
      if (stop.stop_requested()) return;
      slot = std::move(waiting_.front());
      waiting_.pop_front();
    }
    encode(slot->piece);
    const std::lock_guard lock(mutex_);
    slot->done = true;
    encoded_.notify_one();
  }
}

Result<void> OrderedEncoder::add(EncodedPiece piece) {
  const bool here = threads_.empty();
  if (here) encode(piece);
  return enqueue(std::move(piece), here);
}

Result<void> OrderedEncoder::add_encoded(EncodedPiece piece) {
  return enqueue(std::move(piece), true);
}

Result<void> OrderedEncoder::enqueue(EncodedPiece piece, bool done) {
  auto slot = std::make_shared<Slot>(Slot{std::move(piece), done});
  order_.push_back(slot);
  if (!done) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(slot));
    added_.notify_one();
  }
  return take_until(threads_.empty() ? 0 : most_pieces_);
}

Result<void> OrderedEncoder::finish() { return take_until(0); }

Result<void> OrderedEncoder::take_until(size_t left) {
  while (order_.size() > left) {
    const std::shared_ptr<Slot> slot = std::move(order_.front());
    order_.pop_front();
    {
      std::unique_lock lock(mutex_);
      encoded_.wait(lock, [&] { return slot->done; });
    }
    if (auto taken = take_(slot->piece); !taken) return taken;
  }
  return {};
}

}  // namespace ballast
