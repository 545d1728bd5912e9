// The machine's file system.
//
// How it works: an overlay whose lower layer is this host's root (that one mount; nothing mounted under it shows) and
// whose upper layer is a tmpfs that only the machine's mount namespace holds, so that it is gone when the machine is.
// What the machine sees is an allowlist: of the host's root only the system (kSystem), of that not the data sets of
// the demo nor the host's keys; every other name is covered by a whiteout in the upper layer, or by an empty directory.
// /proc, /dev, /sys and /dev/pts are its own. Shares are bound read-only.
#pragma once

#include <string>

#include "base/result.h"
#include "cloud/cloud.h"

namespace seamount::cloud::local {

// Makes the calling process's mount namespace the machine's. To be called by the machine's init, in new mount, pid, uts
// and ipc namespaces; on return its root is the machine's, and the host's is out of reach. `staging` is an existing
// directory of the host.
Result<void> EnterNewRoot(const MachineSpec& spec, const std::string& staging);

}  // namespace seamount::cloud::local
