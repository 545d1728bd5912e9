// Writing the regions of a plan: read, transform, encode, store, by several threads.
//
// How it works: most regions are read straight from the source. Where the output's chunks lie across the source's (all
// times of a few places, from files of all places at one time), reading region by region would decode every source
// chunk many times; then it is done in two passes. The first reads the source once, slab by slab along its own chunks,
// and appends each slab's part of every region to that region's stretch of a spill file (spill.h); the second reads the
// stretches, one after another, and writes the regions. A run that was killed goes on with the file. When the spill
// disk has room for some regions only, they are done in groups (all of this is in region_writer_spill.cc). What all
// threads need at once is booked from the memory ledger before they start. Encoded objects go to threads of their own
// (uploads.h). Where an older output is replaced, an object that holds the same bytes already (by its size and CRC32C,
// from one listing) is not sent again.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "exec/byte_budget.h"
#include "exec/progress.h"
#include "exec/thread_pool.h"
#include "prepare/missing.h"
#include "prepare/output.h"
#include "prepare/plan.h"
#include "prepare/region_reader.h"
#include "prepare/spill.h"
#include "prepare/statistics.h"
#include "prepare/uploads.h"
#include "zarr/array.h"

namespace seamount::prepare {

struct RegionInputs {
  const Plan& plan;
  const SourceFacts& facts;
  const source::Dataset& dataset;
  const std::vector<ArrayStatistics>& statistics;           // by array of the plan
  const std::vector<std::unique_ptr<zarr::Array>>& arrays;  // likewise
  std::shared_ptr<Store> store;
  Output& output;
  exec::ThreadPool& pool;
  exec::ByteBudget& budget;
  exec::Progress& progress;  // counts decoded bytes, those that are spilled twice
  std::string spill_directory;
};

class RegionWriter {
 public:
  explicit RegionWriter(RegionInputs in) : in_(std::move(in)) {}
  // The tasks, given by their number in the plan and in its order. Each is marked done in the output.
  Result<void> Write(const std::vector<size_t>& tasks, const CallContext& context);
  uint64_t written_bytes() const { return written_bytes_; }
  uint64_t equal_bytes() const { return equal_bytes_; }  // that lay there already
  uint64_t spilled_bytes() const { return spilled_bytes_; }

 private:
  // A thread's own; its memory is kept from task to task, since fresh pages cost as much as decoding does.
  struct Worker {
    std::unique_ptr<RegionReader> reader;
    std::vector<std::byte> region;
    std::vector<std::byte> piece;
  };
  // A task with its stretch of the spill file.
  struct Spilled {
    size_t task = 0;
    uint64_t offset = 0;
    bool wanted = true;  // else it lies in the output already
  };

  // An object as a listing has it.
  struct Stored {
    uint64_t size_bytes = 0;
    uint32_t crc32c = 0;
    bool known = false;
  };

  Result<void> WriteArray(const std::vector<size_t>& tasks, const CallContext& context);
  Result<void> ListStored(size_t array, const CallContext& context);
  Result<bool> IsStored(const std::string& key, const Bytes& object, const CallContext& context) const;
  Result<void> WriteDirectly(const std::vector<size_t>& tasks, const CallContext& context);
  Result<void> WriteThroughSpill(const std::vector<size_t>& tasks, const CallContext& context);
  std::string SpillName(size_t array) const;
  void ForgetSpill(size_t array) const;
  // What the spill file holds, or is to hold: as many of the tasks as there is room for. In their order.
  Result<std::vector<Spilled>> Group(Spill& spill, const std::vector<size_t>& tasks) const;
  static const Spilled* Find(const std::vector<Spilled>& group, size_t task);
  // Those of the group that have a part in the box.
  std::vector<const Spilled*> TasksIn(const std::vector<Spilled>& group, const nd::Box& box) const;
  Result<void> SpillSlabs(const Spill& spill, const std::vector<Spilled>& group, const SlabGrid& slabs,
                          const CallContext& context);
  Result<void> WriteSpilled(const Spill& spill, const std::vector<Spilled>& group, const SlabGrid& slabs,
                            const CallContext& context);
  // The buffer's start, grown where it is too short.
  static std::span<std::byte> Sized(std::vector<std::byte>& buffer, uint64_t bytes);
  Result<RegionReader*> Reader(Worker& worker, size_t array) const;
  Result<void> WriteUnits(const Task& task, Worker& worker, const CallContext& context);
  Result<void> WriteUnit(zarr::Array& array, const nd::Index& unit, std::span<const std::byte> elements,
                         const std::shared_ptr<Uploads::Batch>& batch, const CallContext& context);
  uint64_t UnitBytes(size_t array) const;
  uint64_t EncodingBytes(size_t array) const;
  uint64_t Left() const;  // of the memory

  const RegionInputs in_;
  std::atomic<uint64_t> written_bytes_ = 0;
  std::atomic<uint64_t> equal_bytes_ = 0;
  std::atomic<uint64_t> spilled_bytes_ = 0;
  // Of the array that is being written:
  std::unique_ptr<Uploads> uploads_;
  OwnedArray owned_;
  std::vector<Stored> stored_;  // by object of its grid; empty: nothing lies there
  std::string kept_in_;         // where its spill file stays when this ends early; empty: nowhere
};

}  // namespace seamount::prepare
