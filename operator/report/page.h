// A run's report as one HTML page that needs nothing else: no network, no other file. Whatever
// stands in the record is text in it and never markup. Pure function.
#pragma once

#include <cstdint>
#include <string>

#include "operator/report/record.h"

namespace ballast::report {

struct PageOptions {
  bool held = false;  // a process holds the record: the run goes on
  int64_t made_unix_ms = 0;
  std::string record_folder;
  std::string build;  // of the program that makes the page
};

std::string page_of(const Record& record, const PageOptions& options);

}  // namespace ballast::report
