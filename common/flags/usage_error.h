// What a program tells of a command line that it cannot take, for all programs alike. Pure but for
// what it prints.
#pragma once

#include <CLI/CLI.hpp>

namespace ballast {

// Prints the help that was asked for, or what is wrong, and returns the exit status. A flag that
// does not exist is told before one that is missing: most often it is the same one, misspelt.
int usage_error(const CLI::App& app, const CLI::ParseError& error);

}  // namespace ballast
