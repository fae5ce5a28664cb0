// Starts a child and, through it, a daemon that has left its session and its parent; writes
// "<guard> <child>" to the named file and waits to be killed. The daemon writes its own number.
//   fake_supervisor FOLDER
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "operator/local/child_process.h"
#include "operator/local/orphan_guard.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::filesystem::path folder = argv[1];
  auto guard = ballast::local::OrphanGuard::start();
  if (!guard) return 1;
  ballast::local::ChildOptions options;
  options.program = "/bin/sh";
  options.arguments = {"-c", "setsid sh -c 'echo $$ > " + (folder / "daemon.tmp").string() +
                                 "; mv " + (folder / "daemon.tmp").string() + " " +
                                 (folder / "daemon").string() +
                                 "; exec tail -f /dev/null' & exec tail -f /dev/null"};
  options.output = folder / "output";
  options.environment = {guard->mark()};
  auto child = ballast::local::ChildProcess::start(options);
  if (!child) return 1;
  std::ofstream(folder / "started.tmp") << guard->pid() << " " << child->pid() << "\n";
  std::filesystem::rename(folder / "started.tmp", folder / "started");
  ::pause();
  return 0;
}
