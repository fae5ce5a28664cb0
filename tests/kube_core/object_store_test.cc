#include "operator/core/object_store.h"

#include <gmock/gmock.h>

namespace ballast::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

Object object(const std::string& name, const std::string& version, const std::string& uid = "u") {
  return {"n", name, uid, version, nullptr};
}

TEST(ObjectStore, TellsWhatAListHasChanged) {
  ObjectStore store;
  EXPECT_FALSE(store.synced());
  EXPECT_THAT(store.replace({object("same", "1"), object("other", "1"), object("gone", "1")}),
              UnorderedElementsAre("n/same", "n/other", "n/gone"));
  EXPECT_TRUE(store.synced());
  EXPECT_THAT(store.replace({object("same", "1"), object("other", "2"), object("new", "3")}),
              UnorderedElementsAre("n/other", "n/gone", "n/new"));
  EXPECT_EQ(store.find("n/gone"), nullptr);
}

TEST(ObjectStore, OneOfTheSameNameIsAnother) {
  ObjectStore store;
  store.replace({object("a", "1", "first")});
  EXPECT_THAT(store.replace({object("a", "1", "second")}), ElementsAre("n/a"));
  EXPECT_EQ(store.find("n/a")->uid, "second");
}

TEST(ObjectStore, TellsOnlyWhatIsNew) {
  ObjectStore store;
  EXPECT_THAT(store.put(object("a", "1")), ElementsAre("n/a"));
  EXPECT_THAT(store.put(object("a", "1")), ElementsAre());
  EXPECT_THAT(store.put(object("a", "2")), ElementsAre("n/a"));
  EXPECT_THAT(store.remove(object("a", "3")), ElementsAre("n/a"));
  EXPECT_THAT(store.remove(object("a", "3")), ElementsAre());
}

// The uid stands for the group.
TEST(ObjectStore, FindsWhatBelongsTogether) {
  ObjectStore store([](const Object& one) { return one.uid == "none" ? "" : one.uid; });
  const auto names = [&](const std::string& group) {
    std::vector<std::string> found;
    for (const Object& one : store.in_group(group)) found.push_back(one.name);
    return found;
  };
  store.replace({object("a", "1", "x"), object("b", "1", "x"), object("c", "1", "none")});
  EXPECT_THAT(names("x"), ElementsAre("a", "b"));
  EXPECT_THAT(names(""), ElementsAre());
  store.put(object("d", "2", "x"));
  store.put(object("a", "2", "y"));
  EXPECT_THAT(names("x"), ElementsAre("b", "d"));
  EXPECT_THAT(names("y"), ElementsAre("a"));
  store.remove(object("b", "3", "x"));
  EXPECT_THAT(names("x"), ElementsAre("d"));
  store.replace({object("e", "4", "y")});
  EXPECT_THAT(names("x"), ElementsAre());
  EXPECT_THAT(names("y"), ElementsAre("e"));
}

TEST(ObjectStore, KindsWithoutNamespaceHaveTheirNameAsKey) {
  ObjectStore store;
  EXPECT_THAT(store.put({"", "node-1", "u", "1", nullptr}), ElementsAre("node-1"));
}

}  // namespace
}  // namespace ballast::kube
