// Where a run's news go: one live line on a terminal, plain lines elsewhere, JSON lines for
// machines. The live line is rewritten in place and never breaks other output. One thread.
#pragma once

#include <cstdio>
#include <functional>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

namespace ballast::cmd {

enum class OutputMode { kTerminal, kPlain, kJson };

class Console {
 public:
  // `json`: JSON lines, whatever `out` is. Otherwise a live line where `out` is a terminal.
  Console(std::FILE* out, bool json);
  Console(std::FILE* out, OutputMode mode) : out_(out), mode_(mode) {}
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  OutputMode mode() const { return mode_; }
  bool json() const { return mode_ == OutputMode::kJson; }

  void line(const std::string& text);       // for people; nothing in JSON mode
  void event(const nlohmann::json& event);  // for machines; printed in JSON mode alone
  void live(const std::string& text);       // terminal only: replaces the live line
  void clear_live();

  // Is given every event as well, whatever the mode.
  void also_to(std::function<void(const nlohmann::json&)> other) { other_ = std::move(other); }

 private:
  std::FILE* out_;
  OutputMode mode_;
  std::string live_;
  std::function<void(const nlohmann::json&)> other_;
};

// Text from a model or a file for a terminal: no control characters but line ends and tabs, bytes
// that are no UTF-8 replaced.
std::string printable(const std::string& text);

}  // namespace ballast::cmd
