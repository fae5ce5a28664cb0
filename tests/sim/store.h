// A server's tensors in the simulator: performs store effects really, with the arithmetic of
// ballast-ps. Knows which version each replica has reached, and tells what no correct machine would
// ask for.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "services/core/effects.h"
#include "tests/sim/reference.h"

namespace ballast::sim {

struct Replica {
  std::shared_ptr<std::vector<float>> parameters;
  std::array<std::shared_ptr<std::vector<float>>, 2> states;
  std::array<std::optional<Step>, 3> copied;  // version of each array, where copies are arriving
  std::optional<Step> version;                // none: arrays of one version are not all there yet
};

class SimStore {
 public:
  // Each returns an empty string, or what is wrong.
  std::string configure(const Configure& effect);
  std::string store_payload(const StorePayload& effect, const Values& payload);
  std::string add_payload(const AddPayload& effect, const Values& payload);
  std::string add_buffer(const AddBuffer& effect);
  std::string release(const Release& effect);
  std::string summarise_root(const Summarise& effect, Summarised& answer) const;
  std::string initialise(const InitialiseSegment& effect, const Values& payload);
  std::string apply(const Apply& effect);
  std::string copy_part(const StoreCopyPart& effect, Step version, const Values& payload);
  std::string drop(const DropSegment& effect);
  std::string restore(SegmentId segment, Step version, const Values& parameters,
                      const std::vector<Values>& states);
  // The bytes of a Send; none where the source does not exist.
  Values read(const PayloadSource& source) const;

  const Replica* replica(SegmentId segment) const;
  void flip_bit(SegmentId segment, uint64_t element, uint32_t bit);
  size_t buffers() const { return buffers_.size(); }

 private:
  uint64_t checksum(SegmentId segment) const;
  std::string check_size(SegmentId segment, const Values& payload) const;

  Segments segments_;
  TrainingSettings training_;
  std::vector<GroupRange> groups_;
  std::vector<std::optional<Replica>> replicas_;
  std::unordered_map<BufferId, std::shared_ptr<std::vector<float>>> buffers_;  // never iterated
};

}  // namespace ballast::sim
