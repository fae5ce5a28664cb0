// One GET over plain HTTP/1.0 that never blocks: many are under way on one thread, which waits for
// their descriptors. One thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/error.h"

namespace ballast::cluster {

class HttpFetch {
 public:
  // `address`: HOST:PORT, numeric.
  HttpFetch(const std::string& address, const std::string& path);
  ~HttpFetch();
  HttpFetch(const HttpFetch&) = delete;
  HttpFetch& operator=(const HttpFetch&) = delete;

  int descriptor() const { return descriptor_; }
  short events() const { return sent_ < request_.size() ? kWrite : kRead; }  // to wait for
  // Goes on as far as it can. Whether it has ended, well or not.
  bool advance();
  bool ended() const { return ended_; }
  // The body of an answer that is a success and has ended.
  Result<std::string_view> body() const;

 private:
  static const short kRead, kWrite;
  bool end(const char* trouble);

  const std::string address_;
  int descriptor_ = -1;
  std::string request_;
  size_t sent_ = 0;
  std::string answer_;
  bool ended_ = false;
  std::string trouble_;
};

}  // namespace ballast::cluster
