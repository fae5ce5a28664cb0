// Suggestions and the way problems are printed.
#include "operator/api/problem.h"

#include <gtest/gtest.h>

namespace ballast::api {
namespace {

TEST(Problem, SuggestsOnlyWhatIsNear) {
  const std::vector<std::string> known = {"microbatches", "batch", "steps", "seed", "learningRate"};
  EXPECT_EQ(closest("microbatchs", known), "microbatches");
  EXPECT_EQ(closest("bacth", known), "batch");
  EXPECT_EQ(closest("learningrate", known), "learningRate");
  EXPECT_EQ(closest("sed", known), "seed");
  EXPECT_EQ(closest("x", known), "");
  EXPECT_EQ(closest("gradient", known), "");
  EXPECT_EQ(closest(std::string(100'000, 'a'), known), "");
  EXPECT_EQ(closest("batch", {}), "");
}

TEST(Problem, PrintsFileLineAndPath) {
  EXPECT_EQ(format({"spec.a", 7, "is wrong"}, "job.yaml"), "job.yaml:7: spec.a: is wrong");
  EXPECT_EQ(format({"spec.a", 0, "is wrong"}, "job.yaml"), "job.yaml: spec.a: is wrong");
  EXPECT_EQ(format({"spec.a", 7, "is wrong"}), "line 7: spec.a: is wrong");
  EXPECT_EQ(format({"", 0, "is wrong"}), "is wrong");
}

}  // namespace
}  // namespace ballast::api
