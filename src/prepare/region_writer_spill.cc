#include <algorithm>

#include "exec/for_each.h"
#include "nd/copy.h"
#include "nd/data_type.h"
#include "prepare/fingerprints.h"
#include "prepare/parallel.h"
#include "prepare/region_writer.h"

namespace seamount::prepare {
namespace {

using nd::Elements;
using nd::Index;

constexpr uint64_t kSlabBytes = 16 << 20;  // long enough pieces for a disk, and some slabs at once in a small budget

SlabGrid SpillSlabGrid(const Plan& plan, size_t array) {
  return {plan, array, kSlabBytes / nd::SizeOf(plan.arrays[array].metadata.data_type)};
}

nd::Box Whole(const DataArray& array) { return {Index(array.metadata.shape.size(), 0), array.metadata.shape}; }

// How many elements of a region lie before one of its pieces, when the pieces, cut by a grid, follow one another in C
// order, each dense.
uint64_t PieceOffset(const nd::Box& region, const nd::Box& piece) {
  uint64_t offset = 0;
  uint64_t before = 1;  // elements across, of the dimensions so far
  uint64_t rest = Elements(region.shape);
  for (size_t d = 0; d < region.shape.size(); ++d) {
    rest /= region.shape[d];
    offset += before * (piece.origin[d] - region.origin[d]) * rest;
    before *= piece.shape[d];
  }
  return offset;
}

}  // namespace

// What the content follows from: what each region holds, and where the slabs end.
std::string RegionWriter::SpillName(size_t array) const {
  const SlabGrid slabs = SpillSlabGrid(in_.plan, array);
  std::string text;
  for (size_t d = 0; d < in_.plan.arrays[array].metadata.shape.size(); ++d) {
    for (const uint64_t edge : slabs.edges(d)) text += std::to_string(edge) + ",";
    text += ";";
  }
  for (const size_t task : TasksOf(in_.plan, array)) text = Fingerprint(text + in_.plan.tasks[task].fingerprint);
  return text;
}

void RegionWriter::ForgetSpill(size_t array) const {
  if (!WantsSpill(in_.plan, in_.facts, TasksOf(in_.plan, array))) return;
  Spill::Forget(in_.spill_directory, SpillName(array));
}

Result<void> RegionWriter::WriteThroughSpill(const std::vector<size_t>& tasks, const CallContext& context) {
  const size_t array = in_.plan.tasks[tasks[0]].array;
  const SlabGrid slabs = SpillSlabGrid(in_.plan, array);
  SEAMOUNT_TRY_ASSIGN(Spill spill,
                      Spill::Open(in_.spill_directory, SpillName(array), slabs.Count(Whole(in_.plan.arrays[array]))));
  kept_in_ = spill.kept_in();
  for (std::vector<size_t> left = tasks; !left.empty();) {
    SEAMOUNT_TRY_ASSIGN(std::vector<Spilled> group, Group(spill, left));
    if (auto filled = SpillSlabs(spill, group, slabs, context); !filled) {
      if (filled.error().code() == ErrorCode::kResourceExhausted) {  // the disk gets its room back
        spill.Remove();
        kept_in_.clear();
      }
      return filled.error();
    }
    std::erase_if(group, [](const Spilled& spilled) { return !spilled.wanted; });
    SEAMOUNT_TRY(WriteSpilled(spill, group, slabs, context));
    std::erase_if(left, [&](size_t task) { return Find(group, task) != nullptr; });
  }
  return {};
}

// Slabs that lie in the file hold the parts of all its tasks. Those that have come to the output since stay in the
// group: what is done belongs to one output, and the file serves any.
Result<std::vector<RegionWriter::Spilled>> RegionWriter::Group(Spill& spill, const std::vector<size_t>& tasks) const {
  const std::vector<size_t> all = TasksOf(in_.plan, in_.plan.tasks[tasks[0]].array);
  std::vector<Spilled> group;
  uint64_t end = 0;
  const auto add = [&](size_t task, bool wanted) {
    group.push_back({task, end, wanted});
    end += in_.plan.tasks[task].bytes;
  };
  bool any = false;
  for (const uint64_t number : spill.tasks()) {
    if (number >= all.size() || (!group.empty() && all[number] <= group.back().task)) break;
    const bool wanted = std::binary_search(tasks.begin(), tasks.end(), all[number]);
    add(all[number], wanted);
    any = any || wanted;
  }
  if (any && group.size() == spill.tasks().size()) return group;
  group.clear();
  end = 0;
  SEAMOUNT_TRY_ASSIGN(const uint64_t room, spill.Room());
  std::vector<uint64_t> numbers;
  for (const size_t task : tasks) {
    if (!group.empty() && in_.plan.tasks[task].bytes > room - std::min(room, end)) break;
    add(task, true);
    numbers.push_back(task - all[0]);
  }
  SEAMOUNT_TRY(spill.Begin(std::move(numbers)));
  return group;
}

// Null: not of the group.
const RegionWriter::Spilled* RegionWriter::Find(const std::vector<Spilled>& group, size_t task) {
  const auto at = std::partition_point(group.begin(), group.end(), [&](const Spilled& s) { return s.task < task; });
  return at != group.end() && at->task == task ? &*at : nullptr;
}

// The tasks of an array stand in the plan in C order of their grid, so that their numbers follow from the box.
std::vector<const RegionWriter::Spilled*> RegionWriter::TasksIn(const std::vector<Spilled>& group,
                                                                const nd::Box& box) const {
  const size_t array = in_.plan.tasks[group[0].task].array;
  const DataArray& planned = in_.plan.arrays[array];
  const size_t rank = box.shape.size();
  const auto start = std::partition_point(in_.plan.tasks.begin(), in_.plan.tasks.end(),
                                          [&](const Task& task) { return task.array < array; });
  Index first(rank);
  Index last(rank);
  for (size_t d = 0; d < rank; ++d) {
    first[d] = box.origin[d] / planned.task_shape[d];
    last[d] = (box.origin[d] + box.shape[d] - 1) / planned.task_shape[d];
  }
  std::vector<const Spilled*> found;
  Index at = first;
  for (bool more = true; more;) {
    size_t number = 0;
    for (size_t d = 0; d < rank; ++d) {
      const uint64_t cells = (planned.metadata.shape[d] + planned.task_shape[d] - 1) / planned.task_shape[d];
      number = number * cells + at[d];
    }
    number += static_cast<size_t>(start - in_.plan.tasks.begin());
    if (const Spilled* there = Find(group, number)) found.push_back(there);
    more = false;
    for (size_t d = rank; d-- > 0 && !more;) {
      more = ++at[d] <= last[d];
      if (!more) at[d] = first[d];
    }
  }
  return found;
}

Result<void> RegionWriter::SpillSlabs(const Spill& spill, const std::vector<Spilled>& group, const SlabGrid& slabs,
                                      const CallContext& context) {
  const size_t array = in_.plan.tasks[group[0].task].array;
  const DataArray& planned = in_.plan.arrays[array];
  const size_t element = nd::SizeOf(planned.metadata.data_type);
  struct Slab {
    nd::Box box;
    uint64_t number = 0;
  };
  std::vector<Slab> list;  // that a task of the group needs, and the file lacks
  uint64_t number = 0;
  SEAMOUNT_TRY(slabs.ForEach(Whole(planned), [&](const nd::Box& box) -> Result<void> {
    const uint64_t here = number++;
    const auto parts = TasksIn(group, box);
    if (!parts.empty() && !spill.Has(here)) list.push_back({box, here});
    for (const Spilled* spilled : parts) {
      const uint64_t elements = Elements(nd::Intersection(box, in_.plan.tasks[spilled->task].region).shape);
      if (spilled->wanted && spill.Has(here)) in_.progress.Add(elements * element);
    }
    return {};
  }));
  const uint64_t largest = nd::Elements(slabs.LargestShape()) * element;
  const uint64_t bytes = 2 * largest + RegionReader::ReadBytes(in_.plan, in_.facts, array);
  SEAMOUNT_TRY_ASSIGN(const Crew crew,
                      Hire(in_.pool, in_.budget, list.size(), bytes, "one part of '" + planned.name + "'"));
  std::vector<Worker> workers(crew.workers);
  return exec::ForEachItem(in_.pool, crew.workers, list.size(), context,
                           [&](size_t i, size_t w, const CallContext&) -> Result<void> {
                             const nd::Box& slab = list[i].box;
                             Worker& worker = workers[w];
                             SEAMOUNT_TRY_ASSIGN(RegionReader * reader, Reader(worker, array));
                             const auto content = Sized(worker.region, Elements(slab.shape) * element);
                             SEAMOUNT_TRY(reader->Read(slab, content));
                             for (const Spilled* spilled : TasksIn(group, slab)) {
                               const nd::Box& region = in_.plan.tasks[spilled->task].region;
                               const nd::Box part = nd::Intersection(slab, region);
                               const auto piece = Sized(worker.piece, Elements(part.shape) * element);
                               nd::CopyBox(part, slab, content, part, piece, element);
                               SEAMOUNT_TRY(spill.Write(spilled->offset + PieceOffset(region, part) * element, piece));
                               spilled_bytes_ += piece.size();
                               if (spilled->wanted) in_.progress.Add(piece.size());
                             }
                             return spill.Mark(list[i].number);
                           });
}

Result<void> RegionWriter::WriteSpilled(const Spill& spill, const std::vector<Spilled>& group, const SlabGrid& slabs,
                                        const CallContext& context) {
  const size_t array = in_.plan.tasks[group[0].task].array;
  const DataArray& planned = in_.plan.arrays[array];
  const size_t element = nd::SizeOf(planned.metadata.data_type);
  uint64_t largest = 0;
  for (const Spilled& spilled : group) largest = std::max(largest, in_.plan.tasks[spilled.task].bytes);
  const uint64_t piece_bytes = std::min(largest, nd::Elements(slabs.LargestShape()) * element);
  const uint64_t bytes = largest + std::max(piece_bytes, UnitBytes(array)) + EncodingBytes(array);
  SEAMOUNT_TRY_ASSIGN(const Crew crew,
                      Hire(in_.pool, in_.budget, group.size(), bytes, "one region of '" + planned.name + "'"));
  std::vector<Worker> workers(crew.workers);
  return exec::ForEachItem(
      in_.pool, crew.workers, group.size(), context, [&](size_t i, size_t w, const CallContext& inner) -> Result<void> {
        const Task& task = in_.plan.tasks[group[i].task];
        Worker& worker = workers[w];
        const auto region = Sized(worker.region, task.bytes);
        const auto read = slabs.ForEach(task.region, [&](const nd::Box& part) -> Result<void> {
          const auto piece = Sized(worker.piece, Elements(part.shape) * element);
          SEAMOUNT_TRY(spill.Read(group[i].offset + PieceOffset(task.region, part) * element, piece));
          nd::CopyBox(part, part, piece, task.region, region, element);
          return {};
        });
        if (!read) return read.error();
        in_.progress.Add(task.bytes);
        return WriteUnits(task, worker, inner);
      });
}

}  // namespace seamount::prepare
