// Which lines the file of points has: one more for each point until the file is large, then half
// as many, of two points each, and so on; so it stays bounded however long a run is. Pure: what is
// to be written comes out as a value. One thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "operator/report/point.h"

namespace ballast::report {

struct PointWrite {
  bool anew = false;  // instead of all that the file has; otherwise at its end
  std::string text;   // empty: nothing
};

class PointLog {
 public:
  // `known`: what the file has, of a run that goes on.
  PointLog(size_t most_bytes, std::vector<Point> known);

  PointWrite add(Point point);
  // What waits to be merged with later ones, at the end.
  PointWrite flush();

 private:
  PointWrite append();

  size_t most_bytes_;
  size_t bytes_ = 0;
  int64_t samples_a_line_ = 1;
  std::vector<Point> points_;  // of the file
  std::optional<Point> pending_;
};

}  // namespace ballast::report
