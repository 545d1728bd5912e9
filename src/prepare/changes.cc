#include "prepare/changes.h"

#include <algorithm>

#include "base/text.h"
#include "prepare/climatology.h"

namespace seamount::prepare {
namespace {

const OwnedArray* Find(const std::vector<OwnedArray>& arrays, const std::string& name) {
  const auto found =
      std::find_if(arrays.begin(), arrays.end(), [&](const OwnedArray& one) { return one.name == name; });
  return found == arrays.end() ? nullptr : &*found;
}

bool SameCells(const OwnedArray& a, const OwnedArray& b) {
  return a.format == b.format && a.separator == b.separator && a.chunk == b.chunk && a.shard == b.shard;
}

bool LiesIn(const OwnedArray& there, const OwnedArray& array, const nd::Box& region) {
  if (!SameCells(there, array)) return true;  // all of it is replaced
  const std::vector<uint64_t>& unit = array.shard ? *array.shard : array.chunk;
  for (size_t d = 0; d < unit.size(); ++d) {
    if (region.origin[d] / unit[d] >= there.objects[d]) return false;
  }
  return true;
}

uint64_t Common(const OwnedArray& a, const OwnedArray& b) {
  uint64_t common = 1;
  for (size_t d = 0; d < a.objects.size(); ++d) common *= std::min(a.objects[d], b.objects[d]);
  return common;
}

std::string Counted(uint64_t count, const std::string& what, uint64_t bytes) {
  return std::to_string(count) + (count == 1 ? " is " : " are ") + what +
         (count > 0 && bytes > 0 ? " (" + base::FormatBytes(bytes) + ")" : "");
}

}  // namespace

Changes ChangesOf(const Plan& plan, const std::vector<OwnedArray>& there, const std::set<std::string>& done) {
  std::vector<OwnedArray> planned;
  for (const DataArray& array : plan.arrays) planned.push_back(OwnedOf(array.name, array.metadata));
  Changes out;
  for (const Task& task : plan.tasks) {
    const OwnedArray* before = Find(there, planned[task.array].name);
    if (done.contains(task.fingerprint)) {
      ++out.kept;
      out.bytes_kept += task.bytes;
    } else if (before != nullptr && LiesIn(*before, planned[task.array], task.region)) {
      ++out.rewritten;
      out.bytes_rewritten += task.bytes;
    } else {
      ++out.added;
      out.bytes_added += task.bytes;
    }
  }
  for (const DataArray& array : plan.arrays) {
    if (array.anomaly) planned.push_back(OwnedOf(ClimatologyName(array), ClimatologyMetadata(array, *plan.basis)));
  }
  for (const SmallArray& small : plan.coordinates) planned.push_back(OwnedOf(small.name, small.metadata));
  for (const OwnedArray& before : there) {
    const OwnedArray* now = Find(planned, before.name);
    if (now == nullptr) out.removed += before.Objects();
    if (now != nullptr && SameCells(before, *now)) out.removed += before.Objects() - Common(before, *now);
  }
  return out;
}

const std::vector<OwnedArray>& LyingThere(const Record& record) {
  return record.complete ? record.arrays : record.replaced;
}

std::string ChangesText(const Changes& changes) {
  return std::to_string(changes.kept) + (changes.kept == 1 ? " region is kept, " : " regions are kept, ") +
         Counted(changes.rewritten, "rewritten", changes.bytes_rewritten) + ", " +
         Counted(changes.added, "added", changes.bytes_added) +
         (changes.removed > 0 ? ", and " + std::to_string(changes.removed) +
                                    (changes.removed == 1 ? " old chunk is removed" : " old chunks are removed")
                              : "");
}

}  // namespace seamount::prepare
