#include "common/flags/usage_error.h"

#include <string>
#include <vector>

#include "common/exit_code.h"

namespace ballast {

int usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const bool missing = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  for (const std::string& argument : missing ? app.remaining(true) : std::vector<std::string>()) {
    if (argument.size() > 1 && argument[0] == '-') {
      app.exit(CLI::ExtrasError({argument}));
      return to_status(ExitCode::kUsage);
    }
  }
  return app.exit(error) == 0 ? to_status(ExitCode::kDone) : to_status(ExitCode::kUsage);
}

}  // namespace ballast
