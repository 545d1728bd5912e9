// NetCDF classic: CDF-1, CDF-2 (64-bit offset) and CDF-5 (64-bit data), read over any random-access bytes.
//
// How it works: the header is parsed once, every count checked against the bytes that are left before anything is
// allocated. Fixed variables lie contiguously; record variables are interleaved, one record of each after another, each
// padded to four bytes, except that a lone record variable is not padded. Offsets come from shapes: the vsize fields in
// the header overflow in large files and are ignored, as the format asks. A file that is shorter than its header says
// is DataLoss at Open, before any work is done on it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cf/attribute.h"
#include "source/file.h"

namespace seamount::source::netcdf {

struct ClassicVariable {
  Variable variable;
  uint64_t begin = 0;
  bool record = false;
  uint64_t slab_bytes = 0;  // of one record, or of the whole fixed variable; unpadded
};

struct ClassicHeader {
  std::vector<Dimension> dimensions;
  std::vector<cf::Attribute> attributes;
  std::vector<ClassicVariable> variables;
  uint64_t records = 0;
  uint64_t record_bytes = 0;  // distance from one record to the next
};

// Pure but for reading `file`. Any bytes are safe input.
Result<ClassicHeader> ParseClassicHeader(const store::ByteSource& file, const std::string& name);

Result<std::unique_ptr<Dataset>> OpenClassic(std::shared_ptr<const File> file);

}  // namespace seamount::source::netcdf
