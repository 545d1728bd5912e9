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

constexpr uint64_t kWaitingUnits = 32;  // encoded and not yet stored

}  // namespace

Result<void> RegionWriter::Write(const std::vector<size_t>& tasks, const CallContext& context) {
  std::map<size_t, std::vector<size_t>> by_array;
  for (const size_t t : tasks) by_array[in_.plan.tasks[t].array].push_back(t);
  for (size_t array = 0; array < in_.plan.arrays.size(); ++array) {
    const auto own = by_array.find(array);
    if (own != by_array.end()) SEAMOUNT_TRY(WriteArray(own->second, context));
    ForgetSpill(array);  // of this run, or of one that was killed when it had written all
  }
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
  kept_in_.clear();
  const bool spills = WantsSpill(in_.plan, in_.facts, tasks);
  const auto made = spills ? WriteThroughSpill(tasks, context) : WriteDirectly(tasks, context);
  auto sent = uploads_->Finish();
  uploads_.reset();
  if (spills && made && sent) return in_.output.Save(context);  // before the spill file may go
  auto ended = made ? sent : made;
  if (ended || kept_in_.empty()) return ended;
  const Error& error = ended.error();
  return Error(error.code(), error.message() + "; the spill file stays in '" + kept_in_ + "' for a day");
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

std::span<std::byte> RegionWriter::Sized(std::vector<std::byte>& buffer, uint64_t bytes) {
  if (buffer.size() < bytes) buffer.resize(bytes);
  return std::span(buffer).first(bytes);
}

uint64_t RegionWriter::Left() const { return in_.budget.limit() - std::min(in_.budget.limit(), in_.budget.used()); }

uint64_t RegionWriter::UnitBytes(size_t array) const {
  return Elements(in_.arrays[array]->unit_shape()) * nd::SizeOf(in_.plan.arrays[array].metadata.data_type);
}

// The encoded unit, and what it was before its last codec (or, of a shard, its chunks before they are put together).
uint64_t RegionWriter::EncodingBytes(size_t array) const { return 2 * UnitBytes(array); }

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
  // The region, a unit cut from it, and what reading takes.
  const uint64_t bytes =
      largest + UnitBytes(array) + EncodingBytes(array) + RegionReader::ReadBytes(in_.plan, in_.facts, array);
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
  const auto batch =
      uploads_->Start([this, &task, context, missing = MissingIn(in_.plan.arrays[task.array], task.region, region)] {
        return in_.output.MarkDone(task.fingerprint, context, missing);
      });
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
