// What counts as one walk through the names of a folder or mount: things that happen soon after each other.
#pragma once

#include "base/clock.h"

namespace seamount::vfs {

// ttl: how long names are believed. A few of those, so that who reads a file between two names still walks; what a walk
// brought is asked anew by then.
inline bool SoonAfter(base::SteadyTime then, base::SteadyTime now, base::Duration ttl) { return now - then < 4 * ttl; }

}  // namespace seamount::vfs
