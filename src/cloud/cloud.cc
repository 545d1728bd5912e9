#include "cloud/cloud.h"

#include <algorithm>

namespace seamount::cloud {

Result<void> CheckMachineName(const std::string& name) {
  constexpr size_t kMaxNameBytes = 30;  // a host name's label has 63, and a prefix must fit before it
  const bool valid = !name.empty() && name.size() <= kMaxNameBytes && name[0] >= 'a' && name[0] <= 'z' &&
                     std::all_of(name.begin(), name.end(),
                                 [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
  if (valid) return {};
  return base::InvalidArgument("machine name '" + name.substr(0, 64) +
                               "': expected a lower-case letter, then up to 29 of those, digits and '-'");
}

Result<void> CheckSpec(const MachineSpec& spec) {
  SEAMOUNT_TRY(CheckMachineName(spec.name));
  for (const Share& share : spec.shares) {
    if (share.to.empty() || share.to[0] != '/' || share.to == "/" || share.to.find("..") != std::string::npos) {
      return base::InvalidArgument("share '" + share.from + "': '" + share.to +
                                   "' is no absolute path in the machine, such as /opt/data");
    }
  }
  constexpr uint64_t kSmallestDiskBytes = 1 << 20;
  if (spec.disk_bytes < kSmallestDiskBytes) {
    return base::InvalidArgument("disk of " + std::to_string(spec.disk_bytes) + " bytes: at least 1 MiB is needed");
  }
  constexpr uint64_t kSmallestMemoryBytes = 16 << 20;  // below, the machine's own first process may not start
  if (spec.memory_bytes != 0 && spec.memory_bytes < kSmallestMemoryBytes) {
    return base::InvalidArgument("memory of " + std::to_string(spec.memory_bytes) +
                                 " bytes: at least 16 MiB is needed");
  }
  constexpr std::chrono::hours kLongestLifetime(24 * 366);
  if (spec.lifetime < std::chrono::seconds(1) || spec.lifetime > kLongestLifetime) {
    return base::InvalidArgument("lifetime of " + std::to_string(spec.lifetime.count()) +
                                 " seconds: expected from a second to a year");
  }
  return {};
}

}  // namespace seamount::cloud
