// Sees to it that no process of a run outlives the program that started it, whatever kills that: a
// small process of its own session waits for the program's end (the far end of a pipe closes, by
// exit, crash or SIGKILL alike) and then kills every process that carries the run's mark in its
// environment, so grandchildren and daemons too. Children are also bound directly (ChildProcess:
// parent-death signal), so that killing the guard first does not help an orphan.
//
// Start it before any thread. One thread.
#pragma once

#include <sys/types.h>

#include <string>

#include "common/error.h"

namespace ballast::local {

class OrphanGuard {
 public:
  static Result<OrphanGuard> start();
  // Kills what is left of the run and waits for it.
  ~OrphanGuard();
  OrphanGuard(OrphanGuard&& other) noexcept;
  OrphanGuard& operator=(OrphanGuard&&) = delete;

  // "NAME=value", to be put into the environment of every child.
  const std::string& mark() const { return mark_; }
  pid_t pid() const { return pid_; }

 private:
  OrphanGuard(std::string mark, pid_t pid, int pipe)
      : mark_(std::move(mark)), pid_(pid), pipe_(pipe) {}

  std::string mark_;
  pid_t pid_;
  int pipe_;  // write end: its closing is the signal
};

}  // namespace ballast::local
