// read_exposition prometheus|openmetrics FILE...: for each file a line "ok", or why it is refused.
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "operator/scrape/parse.h"

int main(int argc, char** argv) {
  using namespace ballast::scrape;
  if (argc < 2) return 2;
  const Format format =
      std::string(argv[1]) == "openmetrics" ? Format::kOpenMetrics : Format::kPrometheus;
  for (int i = 2; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    const auto read = parse(text, format);
    std::cout << (read ? "ok" : read.error().message) << "\n";
  }
  return 0;
}
