// What is read from an HDF5 file when it is opened.
#pragma once

#include <string>
#include <vector>

#include "cf/attribute.h"
#include "nd/box.h"
#include "source/dataset.h"
#include "source/hdf5/filters.h"

namespace seamount::source::hdf5 {

enum class Layout { kCompact, kContiguous, kChunked };

struct StoredVariable {
  Variable variable;
  nd::Index
      stored_shape;  // what the file holds; smaller than the shape where others grew an unlimited dimension further
  std::string path;  // within the file; differs from the name for "_nc4_non_coord_" variables
  Layout layout = Layout::kContiguous;
  std::vector<Filter> filters;
  bool through_library = false;  // filters or layout that only libhdf5 reads
  bool swap_bytes = false;       // stored in the other byte order
  std::vector<std::byte> fill;   // one element, native order
};

struct Metadata {
  std::vector<Dimension> dimensions;
  std::vector<cf::Attribute> attributes;
  std::vector<StoredVariable> variables;
};

// `file_id` is an open file (an hid_t); the caller holds the LibraryLock.
Result<Metadata> ReadMetadata(int64_t file_id, const std::string& file_name);

}  // namespace seamount::source::hdf5
