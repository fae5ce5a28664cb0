// Our side of the measurement: the transport and the tensor store as ballast-ps uses them, with the
// shortest protocol around them: pieces are stored and acknowledged, then asked for and answered;
// with an optimizer, each segment is applied before its first answer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "services/core/training.h"
#include "services/transport/transport.h"

namespace ballast::bench {

struct Shape {
  uint64_t elements = 0;
  uint32_t segment_elements = 262144;
  bool optimizer = false;  // AdamW between push and pull
};

void serve_data_plane(const std::string& listen, const Security& security, const Shape& shape);

class DataPlaneClient {
 public:
  DataPlaneClient(const std::string& address, const Security& security, const Shape& shape);
  double push_seconds();
  double pull_seconds();  // into the arena

 private:
  Shape shape_;
  std::unique_ptr<Transport> transport_;
  ProcessId server_;
  Step step_ = 0;
  std::shared_ptr<std::vector<float>> gradient_;
  std::vector<float> arena_;
};

}  // namespace ballast::bench
