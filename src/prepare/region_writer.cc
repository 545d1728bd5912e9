#include "prepare/region_writer.h"

#include <algorithm>
#include <map>

#include "base/checksum.h"
#include "exec/for_each.h"
#include "nd/copy.h"
#include "nd/data_type.h"
#include "prepare/parallel.h"

namespace seamount::prepare {
namespace {

using nd::Elements;
using nd::Index;

constexpr uint64_t kWaitingUnits = 32;     // encoded and not yet stored
constexpr uint64_t kSlabBytes = 16 << 20;  // long enough pieces for a disk, and some slabs at once in a small budget

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

std::span<std::byte> Sized(std::vector<std::byte>& buffer, uint64_t bytes) {
  if (buffer.size() < bytes) buffer.resize(bytes);
  return std::span(buffer).first(bytes);
}

}  // namespace

Result<void> RegionWriter::Write(const std::vector<size_t>& tasks, const CallContext& context) {
  std::map<size_t, std::vector<size_t>> by_array;
  for (const size_t t : tasks) by_array[in_.plan.tasks[t].array].push_back(t);
  for (const auto& [array, own] : by_array) SEAMOUNT_TRY(WriteArray(own, context));
  return {};
}

Result<void> RegionWriter::WriteArray(const std::vector<size_t>& tasks, const CallContext& context) {
  const size_t array = in_.plan.tasks[tasks[0]].array;
  const DataArray& planned = in_.plan.arrays[array];
  owned_ = OwnedOf(planned.name, planned.metadata);
  stored_.clear();
  exec::ByteLease stored_lease;
  if (in_.output.replacing()) {
    const uint64_t bytes = owned_.Objects() * sizeof(Stored);
    if (bytes <= Left() / 8) {  // else all is sent
      stored_lease = in_.budget.TryAcquire(bytes);
      SEAMOUNT_TRY(ListStored(array, context));
    }
  }
  // Some objects on their way for each thread, but most of the memory is for making them.
  const uint64_t waiting = std::min(Left() / 8, kWaitingUnits * UnitBytes(array));
  const exec::ByteLease waiting_lease = in_.budget.TryAcquire(waiting);
  uploads_ = std::make_unique<Uploads>(in_.store, std::max<uint64_t>(1, waiting), context);
  missing_ = std::make_unique<MissingCount>(planned);
  const bool spills = WantsSpill(in_.plan, in_.facts, tasks);
  const auto made = spills ? WriteThroughSpill(tasks, context) : WriteDirectly(tasks, context);
  auto sent = uploads_->Finish();
  uploads_.reset();
  if (!planned.auxiliary) missing_shares_.push_back(missing_->Share());
  if (!made) return made.error();
  return sent;
}

Result<void> RegionWriter::ListStored(size_t array, const CallContext& context) {
  stored_.resize(owned_.Objects());
  store::ListOptions options{.prefix = in_.plan.arrays[array].name + "/"};
  do {
    SEAMOUNT_TRY_ASSIGN(const store::ListPage page, in_.store->List(options, context));
    for (const store::ObjectInfo& object : page.objects) {
      const auto place = owned_.ObjectOf(object.key);
      if (place && object.crc32c) stored_[*place] = {object.size_bytes, *object.crc32c, true};
    }
    options.page_token = page.next_page_token;
  } while (!options.page_token.empty());
  return {};
}

// The listing only says where it is worth looking: of chunks that end in their own CRC32C, that of the whole object is
// one and the same for all, so what lies there is read.
Result<bool> RegionWriter::IsStored(const std::string& key, const Bytes& object, const CallContext& context) const {
  if (stored_.empty()) return false;
  const Stored& stored = stored_[owned_.ObjectOf(key).value_or(0)];
  if (!stored.known || stored.size_bytes != object.size()) return false;
  if (stored.crc32c != base::Crc32c(object.span())) return false;
  auto there = in_.store->Read(key, {}, context);
  if (!there || !*there) return false;  // then it is written anew
  return (*there)->data.view() == object.view();
}

uint64_t RegionWriter::Left() const { return in_.budget.limit() - std::min(in_.budget.limit(), in_.budget.used()); }

uint64_t RegionWriter::UnitBytes(size_t array) const {
  return Elements(in_.arrays[array]->unit_shape()) * nd::SizeOf(in_.plan.arrays[array].metadata.data_type);
}

Result<RegionReader*> RegionWriter::Reader(Worker& worker, size_t array) const {
  if (worker.reader == nullptr) {
    const auto& climatology = in_.statistics[array].climatology;
    SEAMOUNT_TRY_ASSIGN(RegionReader made, RegionReader::Make(in_.plan, in_.facts, in_.dataset, array,
                                                              climatology ? &*climatology : nullptr));
    worker.reader = std::make_unique<RegionReader>(std::move(made));
  }
  return worker.reader.get();
}

Result<void> RegionWriter::WriteDirectly(const std::vector<size_t>& tasks, const CallContext& context) {
  const size_t array = in_.plan.tasks[tasks[0]].array;
  uint64_t largest = 0;
  for (const size_t t : tasks) largest = std::max(largest, in_.plan.tasks[t].bytes);
  // The region, a unit cut from it, its encoding, and what reading takes.
  const uint64_t bytes = largest + 2 * UnitBytes(array) + RegionReader::ReadBytes(in_.plan, in_.facts, array);
  SEAMOUNT_TRY_ASSIGN(const Crew crew, Hire(in_.pool, in_.budget, tasks.size(), bytes,
                                            "one region of '" + in_.plan.arrays[array].name + "'"));
  std::vector<Worker> workers(crew.workers);
  return exec::ForEachItem(in_.pool, crew.workers, tasks.size(), context,
                           [&](size_t i, size_t w, const CallContext& inner) -> Result<void> {
                             const Task& task = in_.plan.tasks[tasks[i]];
                             SEAMOUNT_TRY_ASSIGN(RegionReader * reader, Reader(workers[w], array));
                             SEAMOUNT_TRY(reader->Read(task.region, Sized(workers[w].region, task.bytes)));
                             in_.progress.Add(task.bytes);
                             return WriteUnits(task, workers[w], inner);
                           });
}

Result<void> RegionWriter::WriteThroughSpill(const std::vector<size_t>& tasks, const CallContext& context) {
  const size_t array = in_.plan.tasks[tasks[0]].array;
  const size_t element = nd::SizeOf(in_.plan.arrays[array].metadata.data_type);
  const SlabGrid slabs(in_.plan, array, kSlabBytes / element);
  for (size_t next = 0; next < tasks.size();) {
    SEAMOUNT_TRY_ASSIGN(const Spill spill, Spill::Make(in_.spill_directory));
    SEAMOUNT_TRY_ASSIGN(const uint64_t room, spill.Room());
    std::vector<Spilled> group;
    for (uint64_t end = 0; next < tasks.size(); ++next) {
      const uint64_t bytes = in_.plan.tasks[tasks[next]].bytes;
      if (!group.empty() && bytes > room - std::min(room, end)) break;
      group.push_back({tasks[next], end});
      end += bytes;
    }
    SEAMOUNT_TRY(SpillSlabs(spill, group, slabs, context));
    SEAMOUNT_TRY(WriteSpilled(spill, group, slabs, context));
  }
  return {};
}

// The tasks of an array stand in the plan in C order of their grid, so that their numbers follow from the box.
std::vector<const RegionWriter::Spilled*> RegionWriter::TasksOf(const std::vector<Spilled>& group,
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
    const auto there =
        std::partition_point(group.begin(), group.end(), [&](const Spilled& s) { return s.task < number; });
    if (there != group.end() && there->task == number) found.push_back(&*there);
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
  std::vector<nd::Box> list;  // the slabs that a task of the group needs
  const nd::Box all{Index(planned.metadata.shape.size(), 0), planned.metadata.shape};
  SEAMOUNT_TRY(slabs.ForEach(all, [&](const nd::Box& box) -> Result<void> {
    if (!TasksOf(group, box).empty()) list.push_back(box);
    return {};
  }));
  const uint64_t largest = slabs.LargestElements() * element;
  const uint64_t bytes = 2 * largest + RegionReader::ReadBytes(in_.plan, in_.facts, array);
  SEAMOUNT_TRY_ASSIGN(const Crew crew,
                      Hire(in_.pool, in_.budget, list.size(), bytes, "one part of '" + planned.name + "'"));
  std::vector<Worker> workers(crew.workers);
  return exec::ForEachItem(in_.pool, crew.workers, list.size(), context,
                           [&](size_t i, size_t w, const CallContext&) -> Result<void> {
                             const nd::Box& slab = list[i];
                             Worker& worker = workers[w];
                             SEAMOUNT_TRY_ASSIGN(RegionReader * reader, Reader(worker, array));
                             const auto content = Sized(worker.region, Elements(slab.shape) * element);
                             SEAMOUNT_TRY(reader->Read(slab, content));
                             for (const Spilled* spilled : TasksOf(group, slab)) {
                               const nd::Box& region = in_.plan.tasks[spilled->task].region;
                               const nd::Box part = nd::Intersection(slab, region);
                               const auto piece = Sized(worker.piece, Elements(part.shape) * element);
                               nd::CopyBox(part, slab, content, part, piece, element);
                               SEAMOUNT_TRY(spill.Write(spilled->offset + PieceOffset(region, part) * element, piece));
                               spilled_bytes_ += piece.size();
                               in_.progress.Add(piece.size());
                             }
                             return {};
                           });
}

Result<void> RegionWriter::WriteSpilled(const Spill& spill, const std::vector<Spilled>& group, const SlabGrid& slabs,
                                        const CallContext& context) {
  const size_t array = in_.plan.tasks[group[0].task].array;
  const DataArray& planned = in_.plan.arrays[array];
  const size_t element = nd::SizeOf(planned.metadata.data_type);
  uint64_t largest = 0;
  for (const Spilled& spilled : group) largest = std::max(largest, in_.plan.tasks[spilled.task].bytes);
  const uint64_t piece_bytes = std::min(largest, slabs.LargestElements() * element);
  const uint64_t bytes = largest + std::max(piece_bytes, UnitBytes(array)) + UnitBytes(array);
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

Result<void> RegionWriter::WriteUnit(zarr::Array& array, const Index& unit, std::span<const std::byte> elements,
                                     const std::shared_ptr<Uploads::Batch>& batch, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(Bytes encoded, array.EncodeUnit(elements));
  std::string key = array.UnitKey(unit);
  SEAMOUNT_TRY_ASSIGN(const bool stored, IsStored(key, encoded, context));
  if (stored) {
    equal_bytes_ += encoded.size();
    return {};
  }
  written_bytes_ += encoded.size();
  return uploads_->Send(batch, std::move(key), std::move(encoded));
}

// Cuts worker.region into units; at the edge of the array they are filled up.
Result<void> RegionWriter::WriteUnits(const Task& task, Worker& worker, const CallContext& context) {
  zarr::Array& array = *in_.arrays[task.array];
  const Index& unit_shape = array.unit_shape();
  const size_t element = nd::SizeOf(array.metadata().data_type);
  const std::span<const std::byte> region = std::span(worker.region).first(task.bytes);
  missing_->Add(task.region, region);
  const auto batch = uploads_->Start([this, &task, context] { return in_.output.MarkDone(task.fingerprint, context); });
  const size_t rank = unit_shape.size();
  Index unit(rank);
  Index first(rank);
  for (size_t d = 0; d < rank; ++d) first[d] = unit[d] = task.region.origin[d] / unit_shape[d];
  if (task.region.shape == unit_shape) {
    SEAMOUNT_TRY(WriteUnit(array, unit, region, batch, context));
    Uploads::End(*batch);
    return {};
  }
  for (bool more = true; more;) {
    const std::span<std::byte> elements = Sized(worker.piece, UnitBytes(task.array));
    const nd::Box whole = nd::CellBox(unit, unit_shape);
    const nd::Box overlap = nd::Intersection(whole, task.region);
    if (overlap.shape != unit_shape) array.Fill(elements);
    nd::CopyBox(overlap, task.region, region, whole, elements, element);
    SEAMOUNT_TRY(WriteUnit(array, unit, elements, batch, context));
    more = false;
    for (size_t d = rank; d-- > 0 && !more;) {
      more = (++unit[d]) * unit_shape[d] < task.region.origin[d] + task.region.shape[d];
      if (!more) unit[d] = first[d];
    }
  }
  Uploads::End(*batch);
  return {};
}

}  // namespace seamount::prepare
