// A machine's share of this host's memory: a control group of its own.
//
// How it works: version 2 of control groups where it has the memory controller, else version 1. What the machine's disk
// holds counts as well, since it lies in memory. The kernel kills a process of the machine that goes beyond the limit.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace seamount::cloud::local {

// Where control groups are; another place in tests.
inline constexpr char kControlGroups[] = "/sys/fs/cgroup";

// Makes a group that holds `bytes` at most and returns its directory. PreconditionFailed where this host lets nobody
// limit memory: not mounted, without the controller, or read-only, as in most containers.
Result<std::string> MakeControlGroup(const std::string& name, uint64_t bytes,
                                     const std::string& control_groups = kControlGroups);

// Moves the calling process into the group of that directory.
Result<void> JoinControlGroup(const std::string& directory);

// Takes the group away; its processes have ended, though the kernel may need a moment to notice.
void RemoveControlGroup(const std::string& directory);

}  // namespace seamount::cloud::local
