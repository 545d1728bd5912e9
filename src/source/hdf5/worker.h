// libhdf5, in a process of its own (child.h): it reads metadata and chunk addresses and sends them back as bytes.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "nd/box.h"
#include "source/child/child.h"
#include "source/file.h"
#include "source/hdf5/description.h"

namespace seamount::source::hdf5 {

// Thread-safe; requests wait for one another.
class Worker {
 public:
  // The one of this process.
  static Worker& Shared();
  Worker();

  Result<Description> Describe(const File& file);
  // Addresses of the `count` chunks from number `first` of the variable's grid in C order.
  Result<std::vector<ChunkAddress>> Locate(const File& file, const StoredVariable& variable, uint64_t first,
                                           uint64_t count);
  // The elements of a box, in native order: what has filters that are not known here.
  Result<void> Read(const File& file, const StoredVariable& variable, const nd::Box& box, std::span<std::byte> into);

 private:
  Child child_;
};

}  // namespace seamount::source::hdf5
