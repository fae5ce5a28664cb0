#include "operator/cluster/kept.h"

#include <gtest/gtest.h>

namespace ballast::cluster {
namespace {

using nlohmann::json;

// As it comes from the client.
json read(const kube::Resource& kind, const json& object) {
  const auto fields = wanted_fields();
  auto value = kube::parse_masked(object.dump(), fields.find(kind.plural)->second);
  return value ? *value : json();
}

// As an informer keeps it.
kube::Object as_kept(const json& pod) {
  return {"n", "j-ps-0", "u", "1", std::make_shared<const json>(packed_pod(pod))};
}

TEST(Kept, OfAPodWhoseItIsAndHowItIs) {
  const json running = {{"running", {{"startedAt", "2026-01-31T11:00:00Z"}}}};
  const json pod = {
      {"kind", "Pod"},
      {"metadata",
       {{"name", "j-ps-0"},
        {"namespace", "n"},
        {"uid", "u"},
        {"resourceVersion", "7"},
        {"managedFields", json::array({{{"manager", "kubelet"}}})},
        {"labels", {{"ballast.dev/job", "j"}, {"ballast.dev/role", "ps"}, {"team", "t"}}},
        {"ownerReferences", json::array({{{"uid", "owner"}, {"name", "j"}}})},
        {"deletionTimestamp", "2026-01-31T12:00:00Z"}}},
      {"spec", {{"nodeName", "node-1"}, {"containers", json::array({{{"name", "main"}}})}}},
      {"status",
       {{"phase", "Running"},
        {"podIP", "10.0.0.1"},
        {"qosClass", "Burstable"},
        {"conditions",
         json::array({{{"type", "Ready"}, {"status", "True"}},
                      {{"type", "PodScheduled"}, {"status", "True"}, {"lastProbeTime", nullptr}}})},
        {"containerStatuses",
         json::array({{{"name", "main"}, {"state", running}, {"image", "i"}}})}}}};
  const json expected = {
      {"metadata",
       {{"name", "j-ps-0"},
        {"namespace", "n"},
        {"uid", "u"},
        {"resourceVersion", "7"},
        {"labels", {{"ballast.dev/job", "j"}, {"ballast.dev/role", "ps"}}},
        {"ownerReferences", json::array({{{"uid", "owner"}}})},
        {"deletionTimestamp", "2026-01-31T12:00:00Z"}}},
      {"spec", {{"nodeName", "node-1"}}},
      {"status",
       {{"phase", "Running"},
        {"podIP", "10.0.0.1"},
        {"conditions", json::array({{{"type", "Ready"}, {"status", "True"}},
                                    {{"type", "PodScheduled"}, {"status", "True"}}})},
        {"containerStatuses", json::array({{{"name", "main"}, {"state", running}}})}}}};
  EXPECT_EQ(read(kube::kPods, pod), expected);
  const auto object = kube::parse_object(pod.dump(), wanted_fields().find("pods")->second);
  ASSERT_TRUE(object);
  EXPECT_EQ(object->key(), "n/j-ps-0");
  EXPECT_EQ(object->uid, "u");
  EXPECT_EQ(*unpacked(as_kept(*object->body)).body, expected);
}

TEST(Kept, OfAJobAllButWhatOthersManage) {
  const json job = {
      {"apiVersion", "ballast.dev/v1alpha1"},
      {"kind", "TrainingJob"},
      {"metadata",
       {{"name", "j"},
        {"managedFields", json::array()},
        {"annotations",
         {{"kubectl.kubernetes.io/last-applied-configuration", "{}"}, {"mine", "kept"}}}}},
      {"spec", {{"suspend", false}}},
      {"status", {{"state", "Running"}}}};
  json expected = job;
  expected["metadata"] = {{"name", "j"}, {"annotations", {{"mine", "kept"}}}};
  EXPECT_EQ(read(kube::kTrainingJobs, job), expected);
}

TEST(Kept, OfANodeItsConditions) {
  const json conditions = json::array({{{"type", "Ready"}, {"status", "True"}}});
  const json node = {
      {"kind", "Node"},
      {"metadata", {{"name", "n1"}, {"labels", {{"disk", "fast"}}}}},
      {"spec", {{"podCIDR", "10.0.0.0/24"}}},
      {"status", {{"conditions", conditions}, {"images", json::array({{{"names", {"a"}}}})}}}};
  const json expected = {{"metadata", {{"name", "n1"}}}, {"status", {{"conditions", conditions}}}};
  EXPECT_EQ(read(kube::kNodes, node), expected);
}

TEST(Kept, OfAnAutoscalerWhatItScales) {
  const json target = {
      {"apiVersion", "ballast.dev/v1alpha1"}, {"kind", "TrainingJob"}, {"name", "j"}};
  const json autoscaler = {{"metadata", {{"name", "a"}, {"labels", json::object()}}},
                           {"spec", {{"scaleTargetRef", target}, {"maxReplicas", 4}}},
                           {"status", json::object()}};
  const json expected = {{"metadata", {{"name", "a"}}}, {"spec", {{"scaleTargetRef", target}}}};
  EXPECT_EQ(read(kube::kHorizontalPodAutoscalers, autoscaler), expected);
  const auto job_of = [](const json& body) {
    return job_of_autoscaler({"n", "a", "u", "1", std::make_shared<const json>(body)});
  };
  EXPECT_EQ(job_of(expected), "n/j");
  json of_others = expected;
  of_others["spec"]["scaleTargetRef"]["kind"] = "Deployment";
  EXPECT_EQ(job_of(of_others), "");
  of_others = expected;
  of_others["spec"]["scaleTargetRef"]["apiVersion"] = "example.dev/v1";
  EXPECT_EQ(job_of(of_others), "");
}

// Whatever an API server sends.
TEST(Kept, OddObjectsAreNoCrash) {
  for (const json& odd : {json::object(), json({{"metadata", 1}, {"spec", "x"}}),
                          json({{"metadata", {{"ownerReferences", {1}}}},
                                {"status", {{"conditions", {1}}, {"containerStatuses", "x"}}}}),
                          json({{"metadata", {{"labels", 3}, {"annotations", json::array()}}},
                                {"spec", {{"scaleTargetRef", {{"kind", 3}}}}}})}) {
    EXPECT_EQ(*unpacked(as_kept(odd)).body, odd);
    EXPECT_EQ(job_of_pod(as_kept(odd)), "");
    for (const kube::Resource& kind :
         {kube::kTrainingJobs, kube::kNodes, kube::kHorizontalPodAutoscalers}) {
      read(kind, odd);
    }
    kube::Object object{"n", "a", "u", "1", std::make_shared<const json>(odd)};
    EXPECT_EQ(job_of_autoscaler(object), "");
  }
}

TEST(Kept, APodBelongsToTheJobOfItsLabel) {
  const json pod = {{"metadata", {{"labels", {{"ballast.dev/job", "j"}}}}}};
  EXPECT_EQ(job_of_pod(as_kept(pod)), "n/j");
}

}  // namespace
}  // namespace ballast::cluster
