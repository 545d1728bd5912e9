// Raw Earth-science files behind one interface.
//
// How it works: Open looks at a file's first bytes and picks the driver (netcdf/: our own reader of the classic format;
// hdf5/: NetCDF-4). A driver reads the metadata once, at Open; after that a Dataset is immutable, and ReadBox is called
// from many threads. Values come as stored, in native byte order; cf.h turns them into physical numbers, calendar.h
// turns time coordinates into dates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace seamount::source {

using Index = std::vector<uint64_t>;

enum class DataType {
  kInt8,
  kUInt8,
  kInt16,
  kUInt16,
  kInt32,
  kUInt32,
  kInt64,
  kUInt64,
  kFloat32,
  kFloat64,
  kChar,   // one byte of text; as an attribute's type: text
  kOther,  // strings, compounds and the like: listed, not readable
};
size_t SizeOf(DataType type);            // 0 for kOther
std::string_view NameOf(DataType type);  // "float32", as NumPy spells it

struct Attribute {
  std::string name;
  DataType type = DataType::kChar;
  std::string text;             // of kChar
  std::vector<double> numbers;  // of the others; 64-bit integers beyond 2^53 are rounded
};

struct Dimension {
  std::string name;
  uint64_t size = 0;
  bool unlimited = false;
};

struct Variable {
  std::string name;  // in a group: "group/name"
  DataType type = DataType::kOther;
  std::vector<std::string> dimensions;
  Index shape;
  Index chunk_shape;       // empty: contiguous
  std::string filters;     // "shuffle, deflate"; empty: stored plain
  std::string unreadable;  // why ReadBox would refuse; empty: readable
  std::vector<Attribute> attributes;

  const Attribute* FindAttribute(std::string_view attribute) const;
  std::optional<std::string> Text(std::string_view attribute) const;
  std::optional<double> Number(std::string_view attribute) const;  // of a numeric attribute's first value
  std::optional<size_t> DimensionIndex(std::string_view dimension) const;
};

// A hyper-rectangle, in elements; both have one entry per dimension.
struct Box {
  Index origin;
  Index shape;
};

// What identifies the bytes that were read, for provenance and for noticing a changed source.
struct FileIdentity {
  std::string path;
  uint64_t size_bytes = 0;
  int64_t modified_ns = 0;  // since 1970
  bool local = false;       // a file of this machine: it may change while it is read
  // Of one of several joined files: the part of `join_dimension` that it holds.
  std::string join_dimension;
  uint64_t join_start = 0;
  uint64_t join_count = 0;
};

// Immutable after Open; every method may be called from many threads.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual const std::vector<FileIdentity>& files() const = 0;
  virtual const std::vector<Dimension>& dimensions() const = 0;
  virtual const std::vector<Variable>& variables() const = 0;
  virtual const std::vector<Attribute>& attributes() const = 0;
  // Fills `into` (dense, C order, native byte order, as stored) with the box of variables()[variable]. The box must lie
  // within the shape and into.size() match, or it is InvalidArgument. Damaged data is DataLoss, naming file and
  // variable.
  virtual Result<void> ReadBox(size_t variable, const Box& box, std::span<std::byte> into) const = 0;
};

// NotFound, PermissionDenied, InvalidArgument (not a format known here) or DataLoss, each naming the file.
Result<std::unique_ptr<Dataset>> Open(const std::string& path);

// Opens the files in the order given as one, concatenated along the dimension `along` (empty: the unlimited dimension,
// or the one with time units, of the first file). All must hold the same variables in the same layout.
Result<std::unique_ptr<Dataset>> OpenMany(const std::vector<std::string>& paths, const std::string& along);

// DataLoss when the local file of that name is no longer what was opened: what was read may be a mixture.
Result<void> CheckUnchanged(const FileIdentity& file);

// The index of a variable; InvalidArgument with the nearest name.
Result<size_t> FindVariable(const Dataset& dataset, std::string_view name);
std::optional<size_t> VariableIndex(const Dataset& dataset, std::string_view name);
const Dimension* FindDimension(const Dataset& dataset, std::string_view name);

// What every driver does first: InvalidArgument unless the box lies in the variable and `bytes` is its size.
Result<void> CheckBox(const Variable& variable, const Box& box, size_t bytes, const std::string& file);

}  // namespace seamount::source
