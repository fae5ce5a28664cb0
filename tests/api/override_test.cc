// --set: each row is an assignment and what it makes of the same small document.
#include "operator/api/override.h"

#include <gmock/gmock.h>

namespace ballast::api {
namespace {

using ::testing::HasSubstr;

std::string apply(const std::string& assignment) {
  Node document = *parse_yaml("spec: {n: 1, list: [a, b], word: x}\n");
  const auto applied = apply_override(document, assignment);
  return applied ? to_json(document).dump() : applied.error().message;
}

TEST(Override, ChangesWhatThePathNames) {
  EXPECT_EQ(apply("spec.n=3"), R"({"spec":{"list":["a","b"],"n":3,"word":"x"}})");
  EXPECT_EQ(apply("spec.n=\"3\""), R"({"spec":{"list":["a","b"],"n":"3","word":"x"}})");
  EXPECT_EQ(apply("spec.n="), R"({"spec":{"list":["a","b"],"n":null,"word":"x"}})");
  EXPECT_EQ(apply("spec.list.1=c"), R"({"spec":{"list":["a","c"],"n":1,"word":"x"}})");
  EXPECT_EQ(apply("spec.list.2=c"), R"({"spec":{"list":["a","b","c"],"n":1,"word":"x"}})");
  EXPECT_EQ(apply("spec.list=[1, {k: v}]"), R"({"spec":{"list":[1,{"k":"v"}],"n":1,"word":"x"}})");
  EXPECT_EQ(apply("spec.new.deep=true"),
            R"({"spec":{"list":["a","b"],"n":1,"new":{"deep":true},"word":"x"}})");
  EXPECT_EQ(apply(R"(a\.b=a=b: c)"),
            R"({"a.b":"a=b: c","spec":{"list":["a","b"],"n":1,"word":"x"}})");
}

TEST(Override, NamesWhatIsWrongWithAPath) {
  EXPECT_THAT(apply("spec.n"), HasSubstr("expected path=value"));
  EXPECT_THAT(apply("=3"), HasSubstr("empty part"));
  EXPECT_THAT(apply("spec..n=3"), HasSubstr("empty part"));
  EXPECT_THAT(apply("spec.n.deep=3"), HasSubstr("\"deep\" is looked for in the number 1"));
  EXPECT_THAT(apply("spec.list.x=3"), HasSubstr("expected a number from 0"));
  EXPECT_THAT(apply("spec.list.9=3"), HasSubstr("beyond the list, which has 2 items"));
  EXPECT_THAT(apply("spec.list=[1"), HasSubstr("the value: "));
}

}  // namespace
}  // namespace ballast::api
