// `ballast-operator await JOB`: waits until a job has succeeded, for pods that have no kubectl.
#pragma once

namespace ballast {

// Flags as a program has them, beginning with its name; returns the exit status.
int await_command(int argc, char** argv);

}  // namespace ballast
