#include "tests/bench_scrape/simulated_targets.h"

#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>

#include "common/check.h"

namespace ballast {
namespace {

struct Listener {
  int descriptor = -1;
  uint16_t port = 0;
};

Listener listen_somewhere() {
  Listener listener;
  listener.descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  CHECK(listener.descriptor >= 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  CHECK(::bind(listener.descriptor, generic, size) == 0);
  CHECK(::listen(listener.descriptor, 16) == 0);
  CHECK(::getsockname(listener.descriptor, generic, &size) == 0);
  listener.port = ntohs(address.sin_port);
  return listener;
}

class Server {
 public:
  Server(const std::vector<Listener>& listeners, const std::vector<std::string>& texts)
      : poll_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (const std::string& text : texts) {
      answers_.push_back("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " +
                         std::to_string(text.size()) + "\r\n\r\n" + text);
    }
    for (size_t index = 0; index < listeners.size(); ++index) {
      texts_of_[listeners[index].descriptor] = index % answers_.size();
      watch(listeners[index].descriptor);
    }
  }

  [[noreturn]] void serve() {
    for (;;) {
      epoll_event events[64];
      const int count = ::epoll_wait(poll_, events, std::size(events), -1);
      for (int event = 0; event < count; ++event) {
        const int descriptor = events[event].data.fd;
        const auto listener = texts_of_.find(descriptor);
        if (listener != texts_of_.end()) {
          accept_from(descriptor, listener->second);
        } else {
          answer(descriptor);
        }
      }
    }
  }

 private:
  void watch(int descriptor) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = descriptor;
    CHECK(::epoll_ctl(poll_, EPOLL_CTL_ADD, descriptor, &event) == 0);
  }

  void accept_from(int listener, size_t text) {
    const int peer = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (peer < 0) return;
    text_of_peer_[peer] = text;
    watch(peer);
  }

  // A request of a scraper comes in one piece; an answer fits into the socket's buffer or waits.
  void answer(int peer) {
    char request[4096];
    const ssize_t got = ::recv(peer, request, sizeof request, 0);
    const std::string& text = answers_[text_of_peer_[peer]];
    for (size_t sent = 0; got > 0 && sent < text.size();) {
      const ssize_t n = ::send(peer, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) break;
      sent += static_cast<size_t>(n);
    }
    text_of_peer_.erase(peer);
    ::close(peer);
  }

  const int poll_;
  std::vector<std::string> answers_;
  std::map<int, size_t> texts_of_;  // by listener
  std::map<int, size_t> text_of_peer_;
};

}  // namespace

SimulatedTargets::SimulatedTargets(size_t count, std::vector<std::string> texts) {
  std::vector<Listener> listeners;
  for (size_t index = 0; index < count; ++index) {
    listeners.push_back(listen_somewhere());
    ports_.push_back(listeners.back().port);
  }
  child_ = ::fork();
  CHECK(child_ >= 0);
  if (child_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    Server(listeners, texts).serve();
  }
  for (const Listener& listener : listeners) ::close(listener.descriptor);
}

SimulatedTargets::~SimulatedTargets() {
  ::kill(child_, SIGKILL);
  ::waitpid(child_, nullptr, 0);
}

}  // namespace ballast
