// Raw Earth-science files behind one interface.
//
// How it works: Open (open.h) looks at a file's first bytes and picks the driver (netcdf/: our own reader of the
// classic format; hdf5/: NetCDF-4). A driver reads the metadata once, at Open; after that a Dataset is immutable, and
// ReadBox is called from many threads. Values come as stored, in native byte order; PackingOf says how they become
// physical numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cf/attribute.h"
#include "cf/packing.h"
#include "nd/box.h"
#include "nd/data_type.h"

namespace seamount::source {

struct Dimension {
  std::string name;
  uint64_t size = 0;
  bool unlimited = false;
  std::string source = {};  // of several named ones (united.h): this one's, which the name begins with
};

struct Variable {
  std::string name;  // in a group: "group/name"
  nd::DataType type = nd::DataType::kOther;
  std::vector<std::string> dimensions;
  nd::Index shape;
  nd::Index chunk_shape;   // empty: contiguous
  std::string filters;     // "shuffle, deflate"; empty: stored plain
  std::string unreadable;  // why ReadBox would refuse; empty: readable
  std::vector<cf::Attribute> attributes;
  std::optional<double> fill;        // stored where nothing was ever written, if that can be told from data
  std::vector<std::string> remarks;  // what was supposed in reading it: for people
  std::vector<uint32_t> files;       // of Dataset::files(), those that hold it, in their order; empty: any of them may
  // What identifies the stored bytes of a box, where that is known more closely than by whole files; empty: it is not.
  // Valid as long as the data set.
  std::function<std::string(const nd::Box&)> identity;
  std::string source;  // of several named ones (united.h): this one's, which the name begins with

  const cf::Attribute* FindAttribute(std::string_view attribute) const;
  std::optional<std::string> Text(std::string_view attribute) const;
  std::optional<double> Number(std::string_view attribute) const;  // of a numeric attribute's first value
  std::optional<size_t> DimensionIndex(std::string_view dimension) const;
};

// What identifies the bytes that were read, for provenance and for noticing a changed source.
struct FileIdentity {
  std::string path;
  uint64_t size_bytes = 0;
  int64_t modified_ns = 0;  // since 1970
  std::string generation;   // of an object: what its store calls this content. Empty for local files
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
  virtual const std::vector<cf::Attribute>& attributes() const = 0;
  // DataLoss when what was opened is no longer what lies there, so that what was read may be a mixture. For what is
  // neither a local file (see local_file.h) nor one object, which is read at its generation.
  virtual Result<void> CheckUnchanged() const { return {}; }
  // Fills `into` (dense, C order, native byte order, as stored) with the box of variables()[variable]. The box must lie
  // within the shape and into.size() match, or it is InvalidArgument. Damaged data is DataLoss, naming file and
  // variable.
  virtual Result<void> ReadBox(size_t variable, const nd::Box& box, std::span<std::byte> into) const = 0;
};

// How the variable's numbers become values. InvalidArgument names it.
Result<cf::Packing> PackingOf(const Variable& variable, const cf::Options& options = {});

// The index of a variable; InvalidArgument with the nearest name.
Result<size_t> FindVariable(const Dataset& dataset, std::string_view name);
std::optional<size_t> VariableIndex(const Dataset& dataset, std::string_view name);
const Dimension* FindDimension(const Dataset& dataset, std::string_view name);

// What every driver does first: InvalidArgument unless the box lies in the variable and `bytes` is its size.
Result<void> CheckBox(const Variable& variable, const nd::Box& box, size_t bytes, const std::string& file);

}  // namespace seamount::source
