#include "operator/kube/resource.h"

#include <gtest/gtest.h>

namespace ballast::kube {
namespace {

TEST(Resource, HasItsPath) {
  EXPECT_EQ(path_of(kPods, "n"), "/api/v1/namespaces/n/pods");
  EXPECT_EQ(path_of(kPods, ""), "/api/v1/pods");
  EXPECT_EQ(path_of(kNodes, "", "node-1"), "/api/v1/nodes/node-1");
  EXPECT_EQ(path_of(kTrainingJobs, "n", "x", "status"),
            "/apis/ballast.dev/v1alpha1/namespaces/n/trainingjobs/x/status");
}

TEST(Resource, ANameCannotLeaveItsPlace) {
  EXPECT_EQ(path_of(kPods, "n", "../secrets?x=%"),
            "/api/v1/namespaces/n/pods/..%2Fsecrets%3Fx%3D%25");
}

TEST(Resource, QueriesAreEncoded) {
  std::string path = "/p";
  add_query(path, "continue", "");
  EXPECT_EQ(path, "/p");
  add_query(path, "labelSelector", "a=b,c in (d)");
  add_query(path, "limit", "5");
  EXPECT_EQ(path, "/p?labelSelector=a%3Db%2Cc%20in%20%28d%29&limit=5");
}

}  // namespace
}  // namespace ballast::kube
