#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "cf/attribute.h"
#include "nd/byte_order.h"
#include "nd/data_type.h"
#include "source/netcdf/classic.h"

namespace seamount::source::netcdf {
namespace {

constexpr uint32_t kDimensionTag = 10;
constexpr uint32_t kVariableTag = 11;
constexpr uint32_t kAttributeTag = 12;
constexpr uint64_t kMaxNameBytes = 4096;            // NC_MAX_NAME is 256 characters; longer is damage
constexpr uint64_t kMaxRank = 1024;                 // NC_MAX_VAR_DIMS
constexpr uint64_t kMaxAttributeBytes = 64 << 20;   // an attribute is a remark, not data
constexpr uint64_t kStreaming = 0xFFFFFFFF;         // record count unknown while the file was written
constexpr uint64_t kMaxExtent = uint64_t{1} << 62;  // sums and products below are checked against this

std::optional<nd::DataType> TypeFromCode(uint32_t code) {
  switch (code) {
    case 1: return nd::DataType::kInt8;
    case 2: return nd::DataType::kChar;
    case 3: return nd::DataType::kInt16;
    case 4: return nd::DataType::kInt32;
    case 5: return nd::DataType::kFloat32;
    case 6: return nd::DataType::kFloat64;
    case 7: return nd::DataType::kUInt8;
    case 8: return nd::DataType::kUInt16;
    case 9: return nd::DataType::kUInt32;
    case 10: return nd::DataType::kInt64;
    case 11: return nd::DataType::kUInt64;
    default: return std::nullopt;
  }
}

// Old writers counted the zeros behind their text.
void DropZerosBehind(std::string& text) {
  while (!text.empty() && text.back() == '\0') text.pop_back();
}

// Reads big-endian fields one after another, from a window of the file.
class Cursor {
 public:
  Cursor(const store::ByteSource& file, const std::string& name) : file_(file), name_(name) {}

  uint64_t remaining() const { return file_.size() - at_; }
  bool wide = false;     // CDF-5: counts are 64 bits
  bool offset8 = false;  // CDF-2 and 5: offsets are 64 bits

  Error Bad(const std::string& what) const {
    return base::DataLoss("reading the NetCDF header of " + name_ + ": " + what + " (at byte " + std::to_string(at_) +
                          " of " + std::to_string(file_.size()) + ")");
  }

  Result<void> Take(std::span<std::byte> into) {
    if (into.size() > remaining()) return Bad("the file ends in the header");
    if (at_ < window_start_ || at_ + into.size() > window_start_ + window_.size()) {
      if (into.size() > kWindowBytes) {
        if (auto read = file_.ReadAt(at_, into); !read) return read.error().Wrap("reading " + name_);
        at_ += into.size();
        return {};
      }
      window_.resize(std::min<uint64_t>(kWindowBytes, remaining()));
      window_start_ = at_;
      if (auto read = file_.ReadAt(at_, window_); !read) return read.error().Wrap("reading " + name_);
    }
    std::memcpy(into.data(), window_.data() + (at_ - window_start_), into.size());
    at_ += into.size();
    return {};
  }

  Result<uint64_t> Unsigned(size_t bytes) {
    std::byte raw[8] = {};
    SEAMOUNT_TRY(Take(std::span(raw, bytes)));
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<uint64_t>(raw[i]);
    return value;
  }
  Result<uint32_t> Tag() {
    SEAMOUNT_TRY_ASSIGN(const uint64_t tag, Unsigned(4));
    return static_cast<uint32_t>(tag);
  }
  Result<uint64_t> Count() { return Unsigned(wide ? 8 : 4); }

  // How many items a list has, each of which takes at least `item_bytes` of what is left.
  Result<uint64_t> ListLength(uint32_t tag, const char* what, uint64_t item_bytes) {
    SEAMOUNT_TRY_ASSIGN(const uint32_t found, Tag());
    SEAMOUNT_TRY_ASSIGN(const uint64_t count, Count());
    if (found == 0 && count == 0) return uint64_t{0};
    if (found != tag) return Bad(std::string("no list of ") + what + " where one must stand");
    if (count > remaining() / item_bytes) return Bad(std::string("more ") + what + " than the file has room for");
    return count;
  }

  Result<std::string> Name() {
    SEAMOUNT_TRY_ASSIGN(const uint64_t size, Count());
    if (size > kMaxNameBytes) return Bad("a name of " + std::to_string(size) + " bytes");
    SEAMOUNT_TRY_ASSIGN(std::string name, Text(size));
    DropZerosBehind(name);
    return name;
  }

  // Text padded to four bytes.
  Result<std::string> Text(uint64_t size) {
    if (size > remaining()) return Bad("the file ends in the header");
    std::string text(size, '\0');
    SEAMOUNT_TRY(Take(std::as_writable_bytes(std::span(text))));
    SEAMOUNT_TRY(Skip((4 - size % 4) % 4));
    return text;
  }

  Result<void> Skip(uint64_t bytes) {
    if (bytes > remaining()) return Bad("the file ends in the header");
    at_ += bytes;
    return {};
  }

 private:
  static constexpr size_t kWindowBytes = 16 << 10;  // most headers fit in one read
  const store::ByteSource& file_;
  const std::string& name_;
  uint64_t at_ = 0;
  uint64_t window_start_ = 0;
  std::vector<std::byte> window_;
};

template <class T>
double Load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return static_cast<double>(value);
}

double LoadNumber(nd::DataType type, const std::byte* at) {
  switch (type) {
    case nd::DataType::kInt8: return Load<int8_t>(at);
    case nd::DataType::kUInt8: return Load<uint8_t>(at);
    case nd::DataType::kInt16: return Load<int16_t>(at);
    case nd::DataType::kUInt16: return Load<uint16_t>(at);
    case nd::DataType::kInt32: return Load<int32_t>(at);
    case nd::DataType::kUInt32: return Load<uint32_t>(at);
    case nd::DataType::kInt64: return Load<int64_t>(at);
    case nd::DataType::kUInt64: return Load<uint64_t>(at);
    case nd::DataType::kFloat32: return Load<float>(at);
    case nd::DataType::kFloat64: return Load<double>(at);
    default: return 0;  // TypeFromCode knows no others; text is no number
  }
}

Result<cf::Attribute> ReadAttribute(Cursor& in) {
  cf::Attribute attribute;
  SEAMOUNT_TRY_ASSIGN(attribute.name, in.Name());
  SEAMOUNT_TRY_ASSIGN(const uint32_t code, in.Tag());
  const auto type = TypeFromCode(code);
  if (!type) return in.Bad("attribute '" + attribute.name + "' has the unknown type " + std::to_string(code));
  attribute.type = *type;
  SEAMOUNT_TRY_ASSIGN(const uint64_t count, in.Count());
  const size_t size = nd::SizeOf(*type);
  if (count > kMaxAttributeBytes / size || count * size > in.remaining()) {
    return in.Bad("attribute '" + attribute.name + "' claims " + std::to_string(count) + " values");
  }
  SEAMOUNT_TRY_ASSIGN(std::string raw, in.Text(count * size));
  if (*type == nd::DataType::kChar) {
    DropZerosBehind(raw);
    attribute.text = std::move(raw);
    return attribute;
  }
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(raw));
  if constexpr (std::endian::native == std::endian::little) nd::SwapBytes(bytes, size);
  attribute.numbers.reserve(count);
  for (uint64_t i = 0; i < count; ++i) attribute.numbers.push_back(LoadNumber(*type, bytes.data() + i * size));
  return attribute;
}

Result<std::vector<cf::Attribute>> ReadAttributes(Cursor& in) {
  SEAMOUNT_TRY_ASSIGN(const uint64_t count, in.ListLength(kAttributeTag, "attributes", 12));
  std::vector<cf::Attribute> attributes;
  for (uint64_t i = 0; i < count; ++i) {
    SEAMOUNT_TRY_ASSIGN(cf::Attribute attribute, ReadAttribute(in));
    attributes.push_back(std::move(attribute));
  }
  return attributes;
}

Result<std::vector<Dimension>> ReadDimensions(Cursor& in) {
  SEAMOUNT_TRY_ASSIGN(const uint64_t count, in.ListLength(kDimensionTag, "dimensions", 8));
  std::vector<Dimension> dimensions;
  bool unlimited = false;
  for (uint64_t i = 0; i < count; ++i) {
    Dimension dimension;
    SEAMOUNT_TRY_ASSIGN(dimension.name, in.Name());
    SEAMOUNT_TRY_ASSIGN(dimension.size, in.Count());
    dimension.unlimited = dimension.size == 0;
    if (dimension.unlimited && unlimited) return in.Bad("two unlimited dimensions");
    unlimited = unlimited || dimension.unlimited;
    if (dimension.size > kMaxExtent) return in.Bad("dimension '" + dimension.name + "' is impossibly large");
    dimensions.push_back(std::move(dimension));
  }
  return dimensions;
}

Result<ClassicVariable> ReadVariable(Cursor& in, const std::vector<Dimension>& dimensions) {
  ClassicVariable out;
  Variable& variable = out.variable;
  SEAMOUNT_TRY_ASSIGN(variable.name, in.Name());
  SEAMOUNT_TRY_ASSIGN(const uint64_t rank, in.Count());
  if (rank > kMaxRank) return in.Bad("variable '" + variable.name + "' has " + std::to_string(rank) + " dimensions");
  for (uint64_t d = 0; d < rank; ++d) {
    SEAMOUNT_TRY_ASSIGN(const uint64_t id, in.Count());
    if (id >= dimensions.size()) return in.Bad("variable '" + variable.name + "' names a dimension that is not there");
    const Dimension& dimension = dimensions[id];
    if (dimension.unlimited && d > 0) {
      return in.Bad("variable '" + variable.name + "' has its record dimension not in the first place");
    }
    out.record = out.record || dimension.unlimited;
    variable.dimensions.push_back(dimension.name);
    variable.shape.push_back(dimension.size);
  }
  SEAMOUNT_TRY_ASSIGN(variable.attributes, ReadAttributes(in));
  SEAMOUNT_TRY_ASSIGN(const uint32_t code, in.Tag());
  const auto type = TypeFromCode(code);
  if (!type) return in.Bad("variable '" + variable.name + "' has the unknown type " + std::to_string(code));
  variable.type = *type;
  // In integers the default may be meant: what was never written cannot be told from it here.
  const bool names_fill = variable.FindAttribute("_FillValue") != nullptr;
  if (!names_fill && nd::IsFloat(*type)) variable.fill = cf::DefaultFill(*type);
  SEAMOUNT_TRY_ASSIGN([[maybe_unused]] const uint64_t vsize, in.Count());
  SEAMOUNT_TRY_ASSIGN(out.begin, in.Unsigned(in.offset8 ? 8 : 4));
  out.slab_bytes = nd::SizeOf(*type);
  for (size_t d = out.record ? 1 : 0; d < variable.shape.size(); ++d) {
    if (variable.shape[d] != 0 && out.slab_bytes > kMaxExtent / variable.shape[d]) {
      return in.Bad("variable '" + variable.name + "' is impossibly large");
    }
    out.slab_bytes *= variable.shape[d];
  }
  if (out.begin > kMaxExtent) return in.Bad("variable '" + variable.name + "' begins beyond any file");
  return out;
}

// Record length, record count (from the file's size where it was streamed) and the shapes that depend on it.
Result<void> PlaceRecords(ClassicHeader& header, uint64_t count, bool streaming, uint64_t file_bytes) {
  uint64_t first = std::numeric_limits<uint64_t>::max();
  size_t record_variables = 0;
  for (const ClassicVariable& v : header.variables) {
    if (!v.record) continue;
    ++record_variables;
    first = std::min(first, v.begin);
    const uint64_t padded = (v.slab_bytes + 3) / 4 * 4;
    if (header.record_bytes > kMaxExtent - padded) return base::DataLoss("one record is impossibly large");
    header.record_bytes += padded;
  }
  if (record_variables == 1) {
    for (const ClassicVariable& v : header.variables) {
      if (v.record) header.record_bytes = v.slab_bytes;
    }
  }
  header.records = count;
  if (streaming) {
    const bool any = record_variables > 0 && header.record_bytes > 0 && file_bytes > first;
    header.records = any ? (file_bytes - first) / header.record_bytes : 0;
  }
  if (header.record_bytes > 0 && header.records > kMaxExtent / header.record_bytes) {
    return base::DataLoss("it claims " + std::to_string(header.records) + " records");
  }
  for (Dimension& dimension : header.dimensions) {
    if (dimension.unlimited) dimension.size = header.records;
  }
  for (ClassicVariable& v : header.variables) {
    if (v.record) v.variable.shape[0] = header.records;
  }
  return {};
}

Result<void> CheckComplete(const ClassicHeader& header, uint64_t file_bytes, const std::string& name) {
  for (const ClassicVariable& v : header.variables) {
    uint64_t end = v.begin + v.slab_bytes;
    if (v.record) end = header.records == 0 ? 0 : end + (header.records - 1) * header.record_bytes;
    if (v.slab_bytes == 0 || end <= file_bytes) continue;
    return base::DataLoss("reading " + name + ": the file is truncated: variable '" + v.variable.name +
                          "' ends at byte " + std::to_string(end) + ", but the file has " + std::to_string(file_bytes) +
                          " bytes");
  }
  return {};
}

}  // namespace

Result<ClassicHeader> ParseClassicHeader(const store::ByteSource& file, const std::string& name) {
  Cursor in(file, name);
  SEAMOUNT_TRY_ASSIGN(const uint32_t magic, in.Tag());
  const uint32_t version = magic & 0xFF;
  if (magic >> 8 != 0x434446 || (version != 1 && version != 2 && version != 5)) {
    return in.Bad("not a NetCDF classic file (expected 'CDF' and version 1, 2 or 5)");
  }
  in.wide = version == 5;
  in.offset8 = version != 1;
  ClassicHeader header;
  SEAMOUNT_TRY_ASSIGN(const uint64_t records, in.Count());
  const bool streaming = records == (in.wide ? std::numeric_limits<uint64_t>::max() : kStreaming);
  SEAMOUNT_TRY_ASSIGN(header.dimensions, ReadDimensions(in));
  SEAMOUNT_TRY_ASSIGN(header.attributes, ReadAttributes(in));
  SEAMOUNT_TRY_ASSIGN(const uint64_t variables, in.ListLength(kVariableTag, "variables", 28));
  for (uint64_t i = 0; i < variables; ++i) {
    SEAMOUNT_TRY_ASSIGN(ClassicVariable variable, ReadVariable(in, header.dimensions));
    header.variables.push_back(std::move(variable));
  }
  if (auto placed = PlaceRecords(header, records, streaming, file.size()); !placed) {
    return placed.error().Wrap("reading the NetCDF header of " + name);
  }
  SEAMOUNT_TRY(CheckComplete(header, file.size(), name));
  return header;
}

}  // namespace seamount::source::netcdf
