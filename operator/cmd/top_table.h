// What `ballast top` shows: one row for each process, out of two looks at their metrics. Pure
// functions.
#pragma once

#include <string>
#include <vector>

#include "operator/scrape/exposition.h"

namespace ballast::cmd {

// Answers of the processes that there are, and how long it was since the look before. A process
// that was not there then, or has counted anew, has no rates yet.
struct TopLook {
  std::vector<scrape::Answer> before;
  std::vector<scrape::Answer> now;
  double seconds = 0;
};

// Servers, then workers; numbers that are not known are "-". Ends with a line end.
std::string top_table(const TopLook& look);

// Tokens a second of the job; 0: not known.
double tokens_per_second(const TopLook& look);

}  // namespace ballast::cmd
