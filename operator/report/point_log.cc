#include "operator/report/point_log.h"

#include <algorithm>
#include <utility>

namespace ballast::report {

PointLog::PointLog(size_t most_bytes, std::vector<Point> known)
    : most_bytes_(most_bytes), points_(std::move(known)) {
  for (const Point& point : points_) {
    bytes_ += to_line(point).size() + 1;
    samples_a_line_ = std::max(samples_a_line_, point.samples);
  }
}

PointWrite PointLog::add(Point point) {
  pending_ = pending_ ? merge(*pending_, point) : std::move(point);
  return pending_->samples < samples_a_line_ ? PointWrite{} : append();
}

PointWrite PointLog::flush() { return pending_ ? append() : PointWrite{}; }

PointWrite PointLog::append() {
  PointWrite write;
  write.text = to_line(*pending_) + "\n";
  points_.push_back(*std::exchange(pending_, std::nullopt));
  bytes_ += write.text.size();
  if (bytes_ <= most_bytes_ || points_.size() < 2) return write;
  points_ = thinned(points_, (points_.size() + 1) / 2);
  samples_a_line_ *= 2;
  write = {true, ""};
  for (const Point& point : points_) write.text += to_line(point) + "\n";
  bytes_ = write.text.size();
  return write;
}

}  // namespace ballast::report
