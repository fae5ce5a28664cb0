// Texts that are embedded when this is built: our page's script and style, and the chart library
// dygraphs (MIT) as its Debian package installed it. Constants.
#pragma once

#include <string_view>

namespace ballast::report {

extern const std::string_view chart_script;
extern const std::string_view chart_style;
extern const std::string_view chart_license;  // the package's notice
extern const std::string_view page_script;
extern const std::string_view page_style;

}  // namespace ballast::report
