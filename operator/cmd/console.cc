#include "operator/cmd/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "operator/cmd/text_stream.h"

namespace ballast::cmd {
namespace {

size_t columns(std::FILE* out) {
  winsize size{};
  if (::ioctl(::fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 100;
  return size.ws_col;
}

OutputMode choose(std::FILE* out, bool json) {
  if (json) return OutputMode::kJson;
  const char* terminal = std::getenv("TERM");
  const bool live =
      ::isatty(::fileno(out)) == 1 && (terminal == nullptr || std::strcmp(terminal, "dumb") != 0);
  return live ? OutputMode::kTerminal : OutputMode::kPlain;
}

}  // namespace

Console::Console(std::FILE* out, bool json) : Console(out, choose(out, json)) {}

Console::~Console() { clear_live(); }

void Console::line(const std::string& text) {
  if (json()) return;
  const std::string live = live_;
  clear_live();
  std::fprintf(out_, "%s\n", text.c_str());
  if (!live.empty()) this->live(live);
  std::fflush(out_);
}

void Console::event(const nlohmann::json& event) {
  if (other_) other_(event);
  if (!json()) return;
  std::fprintf(out_, "%s\n",
               event.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  std::fflush(out_);
}

void Console::live(const std::string& text) {
  if (mode_ != OutputMode::kTerminal) return;
  live_ = text;
  std::fprintf(out_, "\r\033[K%s", text.substr(0, columns(out_) - 1).c_str());
  std::fflush(out_);
}

void Console::clear_live() {
  if (live_.empty()) return;
  live_.clear();
  std::fprintf(out_, "\r\033[K");
  std::fflush(out_);
}

std::string printable(const std::string& text) {
  TextStream stream;
  const std::string begin = stream.add(text);
  return begin + stream.end();
}

}  // namespace ballast::cmd
