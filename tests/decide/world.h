// A small world for decide(): performs its actions on the observation, so that a test tells only
// what happens from outside. Processes become ready, end, and coordinators speak when the test says
// so.
#pragma once

#include <string>
#include <vector>

#include "operator/core/decide.h"

namespace ballast::decide {

struct World {
  Observed observed;
  std::vector<std::string> log;  // performed actions, one line each, since the last look
  std::vector<int> finished;     // exit codes of Finish

  explicit World(int64_t servers = 2, int64_t workers = 2, int64_t replication = 1);

  // decide() and perform once. Returns whether anything was to be done.
  bool round();
  // Rounds until nothing is to be done (a Finish ends it). CHECKs that this is soon.
  std::vector<std::string> settle();

  Process* find(const std::string& name);
  void ready(const std::string& name);
  void ready_all();
  void exits(const std::string& name, int code, int signal = 0);
  void stop_is_asked_for();
  void connect();  // a session with whom it is to be
  void disconnect();
  void origin_asked();
  void reports(CoordinatorPhase phase, int64_t step);
  void replicas(bool all);  // the coordinator says whether any is missing
  void writes_checkpoint(const std::string& directory);
  void checked(const std::string& directory, const std::string& error = "");
  void deleted(const std::string& directory);
  void found(const FoundCheckpoints& found);
  void heard(const std::string& name);  // it answers
  // To the first step: processes ready, coordinator appointed, origin complete.
  void run_to_training();
};

std::string to_string(const Action& action, const api::TrainingJobStatus& before);

}  // namespace ballast::decide
