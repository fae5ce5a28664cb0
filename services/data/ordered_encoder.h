// Encodes pieces of text on several threads and hands them on in the order in which they came.
// Invariant: `take` is called by the caller's thread alone, once for each piece, in order; after an
// error of it for no other. At most a few pieces a thread are in memory: who adds more waits.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/error.h"
#include "services/data/tokenizer.h"

namespace ballast {

struct EncodedPiece {
  size_t file = 0;      // of the corpus
  uint64_t offset = 0;  // in the file
  std::string text = {};
  std::vector<Token> tokens = {};   // what is there already comes first
  std::optional<Error> error = {};  // of the tokenizer
};

class OrderedEncoder {
 public:
  using Take = std::function<Result<void>(EncodedPiece&)>;

  // With one thread the caller's own does everything. The tokenizer outlives this.
  OrderedEncoder(const Tokenizer& tokenizer, size_t threads, Take take);
  ~OrderedEncoder();
  OrderedEncoder(const OrderedEncoder&) = delete;
  OrderedEncoder& operator=(const OrderedEncoder&) = delete;

  // Text that begins and ends between two tokens. The result is that of `take` for pieces that came
  // before.
  Result<void> add(EncodedPiece piece);
  // One whose tokens are known already.
  Result<void> add_encoded(EncodedPiece piece);
  // Takes all that is left.
  Result<void> finish();

 private:
  struct Slot {
    EncodedPiece piece;
    bool done = false;  // guarded by mutex_; once set, the caller's thread owns the piece
  };

  void encode(EncodedPiece& piece) const;
  void serve(const std::stop_token& stop);
  Result<void> enqueue(EncodedPiece piece, bool done);
  Result<void> take_until(size_t left);

  const Tokenizer& tokenizer_;
  const Take take_;
  const size_t most_pieces_;
  std::deque<std::shared_ptr<Slot>> order_;  // of the caller's thread
  std::mutex mutex_;
  std::deque<std::shared_ptr<Slot>> waiting_;  // guarded by mutex_
  std::condition_variable_any added_;
  std::condition_variable_any encoded_;
  std::vector<std::jthread> threads_;
};

}  // namespace ballast
