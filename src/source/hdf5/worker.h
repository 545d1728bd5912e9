// libhdf5, in a process of its own.
//
// How it works: libhdf5 1.10 crashes or loops on some damaged files, and is not thread-safe. So no call into it is made
// here: a child, forked when the first file is opened, reads metadata and chunk addresses and sends them back as bytes
// (wire.h), one request at a time. Of files
// that are not local it asks for the bytes it needs. It has limits on memory and on processor time for each request. A
// file that breaks one, or the library, costs the child: the caller gets DataLoss that says how it ended, and the next
// request starts another. The child ends when this process does.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "nd/box.h"
#include "nd/data_type.h"
#include "source/file.h"
#include "source/hdf5/description.h"

namespace seamount::source::hdf5 {

// Thread-safe; requests wait for one another.
class Worker {
 public:
  // The one of this process.
  static Worker& Shared();
  Worker() = default;
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  Result<Description> Describe(const File& file);
  // Addresses of the `count` chunks from number `first` of the variable's grid in C order.
  Result<std::vector<ChunkAddress>> Locate(const File& file, const StoredVariable& variable, uint64_t first,
                                           uint64_t count);
  // The elements of a box, in native order: what has filters that are not known here.
  Result<void> Read(const File& file, const StoredVariable& variable, const nd::Box& box, std::span<std::byte> into);

 private:
  Result<std::vector<std::byte>> Call(std::span<const std::byte> request, const File& file);
  Result<void> Start();
  // Ends the child, if there is one, and says how it ended.
  std::string Bury();

  std::mutex mutex_;
  int socket_ = -1;
  pid_t child_ = -1;
};

}  // namespace seamount::source::hdf5
