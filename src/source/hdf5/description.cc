#include "source/hdf5/description.h"

#include <algorithm>

#include "source/child/wire.h"

namespace seamount::source::hdf5 {
namespace {

constexpr uint64_t kMaxExtent = uint64_t{1} << 62;

void Put(WireWriter& out, const cf::Attribute& attribute) {
  out.Text(attribute.name);
  out.Put(static_cast<uint8_t>(attribute.type));
  out.Text(attribute.text);
  out.Numbers(attribute.numbers);
}

void PutAttributes(WireWriter& out, const std::vector<cf::Attribute>& attributes) {
  out.List(attributes, [&](const cf::Attribute& attribute) { Put(out, attribute); });
}

cf::Attribute GetAttribute(WireReader& in) {
  cf::Attribute attribute;
  attribute.name = in.Text();
  attribute.type = in.GetEnum(nd::DataType::kOther);
  attribute.text = in.Text();
  attribute.numbers = in.Numbers<double>();
  return attribute;
}

void Put(WireWriter& out, const StoredVariable& stored) {
  const Variable& v = stored.variable;
  out.Text(v.name);
  out.Put(static_cast<uint8_t>(v.type));
  out.List(v.dimensions, [&](const std::string& name) { out.Text(name); });
  out.Numbers(v.shape);
  out.Numbers(v.chunk_shape);
  out.Text(v.filters);
  out.Text(v.unreadable);
  PutAttributes(out, v.attributes);
  out.Put<uint8_t>(v.fill.has_value());
  out.Put<double>(v.fill.value_or(0));
  out.Numbers(stored.stored_shape);
  out.Text(stored.path);
  out.Put(static_cast<uint8_t>(stored.layout));
  out.List(stored.filters, [&](const Filter& filter) {
    out.Put(static_cast<uint8_t>(filter.kind));
    out.Put<uint64_t>(filter.element_bytes);
    out.Text(filter.name);
    out.Numbers(filter.parameters);
  });
  for (const bool flag : {stored.through_library, stored.swap_bytes, stored.plain_edges}) out.Put<uint8_t>(flag);
  out.Bytes(stored.fill);
  out.Bytes(stored.compact);
  out.Put(stored.address);
}

StoredVariable GetVariable(WireReader& in) {
  StoredVariable stored;
  Variable& v = stored.variable;
  v.name = in.Text();
  v.type = in.GetEnum(nd::DataType::kOther);
  in.List(v.dimensions, [&] { return in.Text(); });
  v.shape = in.Numbers<uint64_t>();
  v.chunk_shape = in.Numbers<uint64_t>();
  v.filters = in.Text();
  v.unreadable = in.Text();
  in.List(v.attributes, [&] { return GetAttribute(in); });
  const bool has_fill = in.GetBool();
  const auto fill = in.Get<double>();
  if (has_fill) v.fill = fill;
  stored.stored_shape = in.Numbers<uint64_t>();
  stored.path = in.Text();
  stored.layout = in.GetEnum(Layout::kChunked);
  in.List(stored.filters, [&] {
    Filter filter;
    filter.kind = in.GetEnum(FilterKind::kOther);
    filter.element_bytes = in.Get<uint64_t>();
    filter.name = in.Text();
    filter.parameters = in.Numbers<uint32_t>();
    return filter;
  });
  for (bool* flag : {&stored.through_library, &stored.swap_bytes, &stored.plain_edges}) *flag = in.GetBool();
  const auto element = in.Bytes();
  stored.fill.assign(element.begin(), element.end());
  const auto compact = in.Bytes();
  stored.compact.assign(compact.begin(), compact.end());
  stored.address = in.Get<uint64_t>();
  return stored;
}

// That sums and products of sizes cannot overflow later, and that each part has the others' rank.
bool Fits(const StoredVariable& stored) {
  const Variable& v = stored.variable;
  const size_t rank = v.shape.size();
  if (v.dimensions.size() != rank || stored.stored_shape.size() != rank) return false;
  if (stored.fill.size() != nd::SizeOf(v.type)) return false;
  if (stored.layout == Layout::kChunked && v.chunk_shape.size() != rank) return false;
  const auto fits = [&](const nd::Index& shape) {
    uint64_t bytes = std::max<uint64_t>(1, nd::SizeOf(v.type));
    for (const uint64_t extent : shape) {
      if (extent != 0 && bytes > kMaxExtent / extent) return false;
      bytes *= extent;
    }
    return true;
  };
  if (!fits(v.shape) || !fits(v.chunk_shape)) return false;
  for (size_t d = 0; d < rank; ++d) {
    if (stored.stored_shape[d] > v.shape[d]) return false;
  }
  return std::find(v.chunk_shape.begin(), v.chunk_shape.end(), 0) == v.chunk_shape.end();
}

}  // namespace

std::vector<std::byte> Serialize(const Description& description) {
  WireWriter out;
  out.List(description.dimensions, [&](const Dimension& dimension) {
    out.Text(dimension.name);
    out.Put(dimension.size);
    out.Put<uint8_t>(dimension.unlimited);
  });
  PutAttributes(out, description.attributes);
  out.List(description.variables, [&](const StoredVariable& stored) { Put(out, stored); });
  return out.Take();
}

Result<Description> ParseDescription(std::span<const std::byte> bytes) {
  WireReader in(bytes);
  Description description;
  in.List(description.dimensions, [&] {
    Dimension dimension;
    dimension.name = in.Text();
    dimension.size = in.Get<uint64_t>();
    dimension.unlimited = in.GetBool();
    return dimension;
  });
  in.List(description.attributes, [&] { return GetAttribute(in); });
  in.List(description.variables, [&] { return GetVariable(in); });
  if (!in.whole()) return base::DataLoss("its description is malformed");
  for (const StoredVariable& stored : description.variables) {
    if (!Fits(stored)) return base::DataLoss("variable '" + stored.variable.name + "' has impossible sizes");
  }
  return description;
}

std::vector<std::byte> Serialize(const std::vector<ChunkAddress>& chunks) {
  WireWriter out;
  out.Numbers(chunks);
  return out.Take();
}

Result<std::vector<ChunkAddress>> ParseChunkAddresses(std::span<const std::byte> bytes) {
  WireReader in(bytes);
  auto chunks = in.Numbers<ChunkAddress>();
  if (!in.whole()) return base::DataLoss("its chunk index is malformed");
  return chunks;
}

}  // namespace seamount::source::hdf5
