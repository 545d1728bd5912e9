// What root in a machine may not do although it is this host's root: reach devices, the kernel's modules, its clock.
#pragma once

namespace seamount::cloud::local {

// Takes those rights from the calling process and all that it will execute. A machine is a clean place, not a prison
// for hostile code: root there still may mount.
void DropCapabilities();

}  // namespace seamount::cloud::local
