#include "services/core/optimizers.h"

#include <array>

#include "common/check.h"

namespace ballast {
namespace {

constexpr std::array<std::string_view, 1> kVelocity{"momentum"};
constexpr std::array<std::string_view, 2> kMoments{"first_moment", "second_moment"};
constexpr std::array<std::string_view, 1> kSquareSum{"square_sum"};
constexpr std::array<std::string_view, 1> kSquareMean{"square_mean"};

constexpr std::array<OptimizerInfo, 7> kTable{{
    {OptimizerKind::kSgd, "sgd", {}, false, false},
    {OptimizerKind::kAdamW, "adamw", kMoments, true, true},
    {OptimizerKind::kMomentum, "momentum", kVelocity, false, false},
    {OptimizerKind::kNesterov, "nesterov", kVelocity, false, false},
    {OptimizerKind::kAdam, "adam", kMoments, true, false},
    {OptimizerKind::kAdagrad, "adagrad", kSquareSum, false, false},
    {OptimizerKind::kRmsProp, "rmsprop", kSquareMean, false, false},
}};
static_assert(kTable.size() == static_cast<size_t>(kLastOptimizer) + 1);

}  // namespace

std::span<const OptimizerInfo> optimizer_table() { return kTable; }

const OptimizerInfo& optimizer_info(OptimizerKind kind) {
  const auto index = static_cast<size_t>(kind);
  CHECK(index < kTable.size() && kTable[index].kind == kind);
  return kTable[index];
}

uint32_t state_count(const OptimizerSettings& settings) {
  return static_cast<uint32_t>(optimizer_info(settings.kind).states.size());
}

}  // namespace ballast
