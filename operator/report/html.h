// Text as HTML. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace ballast::report {

// No character of it is markup, within elements and within attributes.
std::string escaped(std::string_view text);

// JSON that may stand within <script>: no "<" ends it.
std::string script_json(const nlohmann::json& value);

// Cells are HTML already. Empty where there is no row.
std::string table(const std::vector<std::string>& head,
                  const std::vector<std::vector<std::string>>& rows);

}  // namespace ballast::report
