// Writing the regions of a plan: read, transform, encode, store, by several threads.
//
// How it works: most regions are read straight from the source. Where the output's chunks lie across the source's (all
// times of a few places, from files of all places at one time), reading region by region would decode every source
// chunk many times; then it is done in two passes. The first reads the source once, slab by slab along its own chunks,
// and appends each slab's part of every region to that region's stretch of a spill file (spill.h); the second reads the
// stretches, one after another, and writes the regions. When the spill disk has room for some regions only, they are
// done in groups. What all threads need at once is booked from the memory ledger before they start.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "exec/byte_budget.h"
#include "exec/progress.h"
#include "exec/thread_pool.h"
#include "nd/box.h"
#include "prepare/output.h"
#include "prepare/plan.h"
#include "prepare/region_reader.h"
#include "prepare/spill.h"
#include "prepare/statistics.h"
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
  };

  Result<void> WriteDirectly(const std::vector<size_t>& tasks, const CallContext& context);
  Result<void> WriteThroughSpill(const std::vector<size_t>& tasks, const CallContext& context);
  // Those of the group that have a part in the box.
  std::vector<const Spilled*> TasksOf(const std::vector<Spilled>& group, const nd::Box& box) const;
  Result<void> SpillSlabs(const Spill& spill, const std::vector<Spilled>& group, const SlabGrid& slabs,
                          const CallContext& context);
  Result<void> WriteSpilled(const Spill& spill, const std::vector<Spilled>& group, const SlabGrid& slabs,
                            const CallContext& context);
  Result<RegionReader*> Reader(Worker& worker, size_t array) const;
  Result<void> WriteUnits(const Task& task, Worker& worker, const CallContext& context);
  Result<void> WriteUnit(zarr::Array& array, const nd::Index& unit, std::span<const std::byte> elements,
                         const CallContext& context);
  uint64_t UnitBytes(size_t array) const;

  const RegionInputs in_;
  std::atomic<uint64_t> written_bytes_ = 0;
  std::atomic<uint64_t> spilled_bytes_ = 0;
};

}  // namespace seamount::prepare
