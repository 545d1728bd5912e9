// A file that libhdf5 reads through somebody else: a driver of its virtual file layer. In the process that has libhdf5
// alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

namespace seamount::source::hdf5 {

// Fills the span from the offset; false where that failed.
using Fetch = std::function<bool(uint64_t offset, std::span<std::byte> into)>;

// Makes files that are opened with the access list `access` (an hid_t) be read through `fetch`, which outlives them;
// false where libhdf5 refuses. One file at a time: its size is what the next H5Fopen believes.
bool ReadThrough(int64_t access, const Fetch& fetch, uint64_t size_bytes);

}  // namespace seamount::source::hdf5
