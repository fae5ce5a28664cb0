// The values inside control messages, to and from their wire form: the parts of control_codec. Pure
// functions; any thread.
#pragma once

#include <string>
#include <string_view>

#include "ballast/v1/control.pb.h"
#include "services/core/messages.h"

namespace ballast {

// Keeps the first thing wrong and where it was.
class Problems {
 public:
  void add(std::string_view field, std::string_view what) {
    if (text_.empty()) text_ = std::string(field) + ": " + std::string(what);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void encode(const ProcessId& from, v1::ProcessId& to);
void encode(const MapVersion& from, v1::MapVersion& to);
void encode(const Member& from, v1::Member& to);
void encode(const MemberList& from, v1::MemberList& to);
void encode(const SegmentMap& from, v1::SegmentMap& to);
void encode(const JobIdentity& from, v1::JobIdentity& to);
void encode(const TrainingSettings& from, v1::TrainingSettings& to);
void encode(const LossSum& from, v1::LossSum& to);
void encode(const Record& from, v1::Record& to);
void encode(const ReplicaReport& from, v1::ReplicaReport& to);
void encode(const CheckpointPart& from, v1::CheckpointPart& to);

void decode(const v1::ProcessId& from, ProcessId& to, Problems& problems);
void decode(const v1::MapVersion& from, MapVersion& to, Problems& problems);
void decode(const v1::Member& from, Member& to, Problems& problems);
void decode(const v1::MemberList& from, MemberList& to, Problems& problems);
void decode(const v1::SegmentMap& from, SegmentMap& to, Problems& problems);
void decode(const v1::JobIdentity& from, JobIdentity& to, Problems& problems);
void decode(const v1::TrainingSettings& from, TrainingSettings& to, Problems& problems);
void decode(const v1::LossSum& from, LossSum& to, Problems& problems);
void decode(const v1::Record& from, Record& to, Problems& problems);
void decode(const v1::ReplicaReport& from, ReplicaReport& to, Problems& problems);
void decode(const v1::CheckpointPart& from, CheckpointPart& to, Problems& problems);

// Enums arrive as any number.
template <typename To>
To decode_enum(int from, To last, std::string_view field, Problems& problems) {
  if (from < 0 || from > static_cast<int>(last)) {
    problems.add(field, std::to_string(from) + " is unknown");
    return To{};
  }
  return static_cast<To>(from);
}

}  // namespace ballast
