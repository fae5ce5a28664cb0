#include "operator/local/process_table.h"

#include <algorithm>
#include <csignal>

#include "common/exit_code.h"

namespace ballast::local {

using decide::Process;
using decide::ProcessState;
using decide::Role;

namespace {

// Counters of a restarted process are another series.
std::string series_of(const Process& process) {
  return decide::process_name(process.role, process.index) + "." + std::to_string(process.instance);
}

}  // namespace

void ProcessTable::observe(decide::TimeMs now_ms) {
  const auto answered_ms = scraper_.answered_ms();
  for (Process& process : processes_) {
    look_at(process, now_ms);
    const auto answered = answered_ms.find(series_of(process));
    if (answered != answered_ms.end())
      process.heard_ms = std::max(process.heard_ms, answered->second);
  }
  std::vector<pid_t> known = {guard_.pid()};
  for (const auto& [name, running] : running_) {
    if (running.child != nullptr) known.push_back(running.child->pid());
  }
  reap_strangers(known);
}

void ProcessTable::look_at(Process& process, decide::TimeMs now_ms) {
  const std::string name = decide::process_name(process.role, process.index);
  Running& running = running_.at(name);
  if (process.state == ProcessState::kExited || running.child == nullptr) return;
  if (process.state == ProcessState::kStarting) look_for_ready_file(process, running, name, now_ms);
  const auto exit = running.child->poll();
  if (!exit) return;
  process.state = ProcessState::kExited;
  process.exit_code = exit->code;
  process.exit_signal = exit->signal;
  process.ended_ms = now_ms;
  scraper_.remove(series_of(process));
  listener_.process_ended(name, *exit, process.stopping_since_ms.has_value(), running.log);
}

void ProcessTable::look_for_ready_file(Process& process, const Running& running,
                                       const std::string& name, decide::TimeMs now_ms) {
  const auto ready = read_ready_file(running.ready_file, name);
  if (!ready) {
    if (ready.error().code != ErrorCode::kNotFound) listener_.warning(ready.error().message);
    return;
  }
  process.state = ProcessState::kReady;
  process.heard_ms = now_ms;
  process.incarnation = ready->incarnation;
  process.address = ready->address;
  if (!ready->metrics_address.empty()) scraper_.add(series_of(process), ready->metrics_address);
  listener_.process_ready(*ready);
}

void ProcessTable::start(const decide::StartProcess& start,
                         const std::vector<api::MemberStatus>& members, decide::TimeMs now_ms) {
  const std::string name = decide::process_name(start.role, start.index);
  Process process;
  process.role = start.role;
  process.index = start.index;
  process.instance = start.instance;
  process.status_version = start.status_version;
  process.started_ms = now_ms;
  Running running;
  running.log = folder_.logs() / (series_of(process) + ".jsonl");
  running.ready_file = folder_.ready() / (series_of(process) + ".json");
  auto child = ChildProcess::start(child_options(process, name, running, members));
  if (child) {
    running.child = std::make_unique<ChildProcess>(std::move(*child));
  } else {
    listener_.warning(child.error().message);
    const bool later = child.error().code == ErrorCode::kUnavailable;
    process.state = ProcessState::kExited;
    process.exit_code = to_status(later ? ExitCode::kFailed : ExitCode::kUsage);
    process.ended_ms = now_ms;
  }
  std::erase_if(processes_, [&](const Process& old) {
    return old.role == start.role && old.index == start.index;
  });
  processes_.push_back(std::move(process));
  running_.insert_or_assign(name, std::move(running));
}

void ProcessTable::stop(const decide::StopProcess& stop, decide::TimeMs now_ms) {
  for (Process& process : processes_) {
    const bool meant = decide::process_name(process.role, process.index) == stop.name &&
                       process.instance == stop.instance;
    if (!meant) continue;
    if (stop.kill) {
      process.killed = true;
    } else {
      process.stopping_since_ms = now_ms;
    }
    running_.at(stop.name).child->send_signal(stop.kill ? SIGKILL : SIGTERM);
  }
}

ChildOptions ProcessTable::child_options(const Process& process, const std::string& name,
                                         const Running& running,
                                         const std::vector<api::MemberStatus>& members) const {
  const bool server = process.role == Role::kServer;
  CommonArguments common;
  common.name = name;
  common.network = options_.network;
  if (options_.network == Network::kTcp)
    common.tls = server ? certificates_.server : certificates_.worker;
  common.ready_file = running.ready_file;
  common.threads = server ? options_.server_threads : options_.worker_threads;
  ChildOptions options;
  options.program = options_.programs / (server ? "ballast-ps" : "ballast-worker");
  options.arguments =
      server ? server_arguments(common, options_.job.metadata.uid, folder_.socket(name))
             : worker_arguments(common, folder_.path() / "job.json", options_.cache, members);
  options.output = running.log;
  options.environment = {guard_.mark()};
  return options;
}

}  // namespace ballast::local
