// Zarr groups (2 and 3) as sources.
//
// How it works: the metadata are read at Open, from one document where they are consolidated (zarr/tree.h); an array is
// opened when it is first read. Names of dimensions are dimension_names, or _ARRAY_DIMENSIONS. In a group within, a
// dimension belongs to the nearest group outwards that has a coordinate of that name, else to the group itself. The
// fill_value of format 2 stands for missing values as CF has it; that of format 3 does not, as xarray has it.
//
// A group is many objects. Where the store can list, their generations together name its content; else those of the
// metadata do, and a chunk that is replaced under the same metadata is not noticed.
#pragma once

#include <memory>
#include <string>

#include "exec/thread_pool.h"
#include "source/dataset.h"
#include "store/store.h"

namespace seamount::source::zarr_group {

struct Place {
  std::shared_ptr<Store> store;
  std::string path;     // in it, without trailing '/'
  std::string address;  // for people
  // Reads chunks in parallel; null: the thread that asks does.
  std::shared_ptr<exec::ThreadPool> pool = nullptr;
  std::stop_token stop = {};
};

// NotFound when there is no group (nor array) there.
Result<std::unique_ptr<Dataset>> OpenZarr(Place place);

}  // namespace seamount::source::zarr_group
