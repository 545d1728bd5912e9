// A file that libhdf5 reads through somebody else: a driver of its virtual file layer. In the process that has libhdf5
// alone.
#pragma once

#include <cstdint>

#include "source/child/child.h"

namespace seamount::source::hdf5 {

// Makes files that are opened with the access list `access` (an hid_t) be read through `fetch`, which outlives them;
// false where libhdf5 refuses. One file at a time: its size is what the next H5Fopen believes.
bool ReadThrough(int64_t access, const Fetch& fetch, uint64_t size_bytes);

}  // namespace seamount::source::hdf5
