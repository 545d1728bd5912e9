// What carrying out a plan does to what lies in its place already.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "prepare/plan.h"
#include "prepare/record.h"

namespace seamount::prepare {

// Regions and their decoded bytes.
struct Changes {
  uint64_t kept = 0;
  uint64_t rewritten = 0;  // in the place of one that is there
  uint64_t added = 0;
  uint64_t bytes_kept = 0;
  uint64_t bytes_rewritten = 0;
  uint64_t bytes_added = 0;
  uint64_t removed = 0;  // chunks (or shards) that nothing takes the place of

  bool operator==(const Changes&) const = default;
};

// Pure. `there`: the arrays whose objects lie there; `done`: fingerprints of regions that hold.
Changes ChangesOf(const Plan& plan, const std::vector<OwnedArray>& there, const std::set<std::string>& done);
// What the record says lies there: of a run that is not complete, what it replaces.
const std::vector<OwnedArray>& LyingThere(const Record& record);

// "5 regions are kept, 1 is rewritten (2.6 KiB), 2 are added (5.3 KiB)".
std::string ChangesText(const Changes& changes);

}  // namespace seamount::prepare
