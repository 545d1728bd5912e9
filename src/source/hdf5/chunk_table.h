// Where chunks lie, asked of libhdf5 in blocks of the grid and kept while there is room.
#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"
#include "nd/box.h"
#include "source/file.h"
#include "source/hdf5/description.h"

namespace seamount::source::hdf5 {

// The tables of one file; thread-safe. All files together keep the 64 MiB that were used last.
class ChunkTables {
 public:
  explicit ChunkTables(std::shared_ptr<const File> file);
  ~ChunkTables();
  ChunkTables(const ChunkTables&) = delete;
  ChunkTables& operator=(const ChunkTables&) = delete;

  // `index` is the variable's number in the file.
  Result<ChunkAddress> Find(const StoredVariable& variable, size_t index, const nd::Index& chunk) const;

 private:
  const std::shared_ptr<const File> file_;
  const uint64_t id_;
};

}  // namespace seamount::source::hdf5
