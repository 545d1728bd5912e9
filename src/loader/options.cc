#include "loader/options.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "loader/transform.h"

namespace seamount::loader {
namespace {

constexpr int kMostThreads = 256;

Result<void> CheckSlot(const SlotOptions& slot, size_t groups) {
  if (slot.variables.empty()) {
    return base::InvalidArgument("variables of '" + slot.name + "': expected at least one name");
  }
  if (slot.leads.empty() && slot.durations.empty())
    return base::InvalidArgument(slot.name + ": expected at least one lead, as [0]");
  if (slot.group >= groups) {
    return base::InvalidArgument(slot.name + ": group " + std::to_string(slot.group) + " of " + std::to_string(groups));
  }
  if (!IsReal(slot.dtype) || slot.dtype == nd::DataType::kBool) {
    return base::InvalidArgument(slot.name + ": dtype is " + std::string(nd::NameOf(slot.dtype)) +
                                 ": expected float32, float64, float16, bfloat16 or an integer");
  }
  for (const auto& [name, normalization] : slot.normalization) {
    if (std::find(slot.variables.begin(), slot.variables.end(), name) != slot.variables.end()) continue;
    return base::InvalidArgument("normalize names '" + name + "', which is not among the variables" +
                                 base::NameHint(name, slot.variables));
  }
  return {};
}

}  // namespace

std::vector<SlotOptions> SlotsOf(const LoaderOptions& options) {
  if (!options.slots.empty()) return options.slots;
  SlotOptions inputs{.name = "inputs",
                     .variables = options.variables,
                     .leads = options.inputs,
                     .missing = options.missing,
                     .normalize = options.normalize,
                     .normalization = options.normalization};
  if (options.targets.empty()) return {inputs};
  SlotOptions targets = inputs;
  targets.name = "targets";
  targets.leads = options.targets;
  return {inputs, targets};
}

Result<void> CheckOptions(const LoaderOptions& options, const std::vector<SlotOptions>& slots, size_t groups) {
  std::set<std::string> names;
  for (const SlotOptions& slot : slots) {
    SEAMOUNT_TRY(CheckSlot(slot, groups));
    if (!names.insert(slot.name).second) return base::InvalidArgument("two slots are named '" + slot.name + "'");
  }
  if (options.batch_size == 0) return base::InvalidArgument("batch_size is 0: expected at least 1");
  if (options.world == 0 || options.rank >= options.world) {
    return base::InvalidArgument("rank " + std::to_string(options.rank) + " of world " + std::to_string(options.world) +
                                 ": expected 0 <= rank < world");
  }
  if (options.batch_size > (uint64_t{1} << 40) || options.world > (uint64_t{1} << 20)) {
    return base::InvalidArgument("a batch of " + std::to_string(options.batch_size) + " samples, " +
                                 std::to_string(options.world) + " ranks: too large");
  }
  if (options.threads < 0 || options.threads > kMostThreads) {
    return base::InvalidArgument("threads is " + std::to_string(options.threads) +
                                 ": expected 0 (one for each core) to " + std::to_string(kMostThreads));
  }
  return {};
}

}  // namespace seamount::loader
