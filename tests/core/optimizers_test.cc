// The table of optimizers: what each keeps, and so what a parameter costs.
#include "services/core/optimizers.h"

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace ballast {
namespace {

TEST(Optimizers, KeepWhatTheirFormulasNeed) {
  const struct {
    OptimizerKind kind;
    const char* name;
    std::vector<std::string> states;
    uint32_t bytes_per_parameter;
  } rows[] = {
      {OptimizerKind::kSgd, "sgd", {}, 4},
      {OptimizerKind::kMomentum, "momentum", {"momentum"}, 8},
      {OptimizerKind::kNesterov, "nesterov", {"momentum"}, 8},
      {OptimizerKind::kAdam, "adam", {"first_moment", "second_moment"}, 12},
      {OptimizerKind::kAdamW, "adamw", {"first_moment", "second_moment"}, 12},
      {OptimizerKind::kAdagrad, "adagrad", {"square_sum"}, 8},
      {OptimizerKind::kRmsProp, "rmsprop", {"square_mean"}, 8},
  };
  EXPECT_EQ(std::size(rows), optimizer_table().size());
  for (const auto& row : rows) {
    const OptimizerInfo& info = optimizer_info(row.kind);
    EXPECT_EQ(info.name, row.name);
    EXPECT_EQ(std::vector<std::string>(info.states.begin(), info.states.end()), row.states);
    EXPECT_EQ(info.bytes_per_parameter(), row.bytes_per_parameter) << row.name;
    EXPECT_EQ(state_count({.kind = row.kind}), row.states.size()) << row.name;
  }
}

TEST(Optimizers, TheTableIsTheEnum) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < optimizer_table().size(); ++i) {
    const OptimizerInfo& info = optimizer_table()[i];
    EXPECT_EQ(static_cast<size_t>(info.kind), i);
    EXPECT_LE(info.states.size(), kMaxOptimizerStates);
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
  }
}

}  // namespace
}  // namespace ballast
