#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <map>
#include <set>

#include "base/text.h"
#include "base/utf8.h"
#include "cf/decode.h"
#include "nd/box.h"
#include "nd/data_type.h"
#include "prepare/attributes.h"
#include "prepare/planner.h"
#include "source/united.h"

namespace seamount::prepare {
namespace {

// Attributes that name other variables. "climatology" is what bounds are called on a climatology's time.
constexpr std::array<const char*, 4> kReferences = {"coordinates", "bounds", "climatology", "grid_mapping"};
constexpr uint64_t kMaxAuxiliaryBytes = 64 << 20;  // what comes along unasked is no burden

template <class T>
Bytes OneElement(T value) {
  return Bytes::Copy(std::as_bytes(std::span(&value, 1)));
}

std::vector<std::byte> AsBytesVector(const std::vector<double>& values, nd::DataType type) {
  std::vector<std::byte> out(values.size() * nd::SizeOf(type));
  for (size_t i = 0; i < values.size(); ++i) {
    const auto narrow = static_cast<float>(values[i]);
    if (type == nd::DataType::kFloat32) std::memcpy(out.data() + i * sizeof narrow, &narrow, sizeof narrow);
    if (type == nd::DataType::kFloat64) std::memcpy(out.data() + i * sizeof(double), &values[i], sizeof(double));
  }
  return out;
}

// What a name means where a variable of a group says it: the nearest of that name, from its own group upwards.
std::string Resolve(const SourceFacts& facts, const std::string& user, const std::string& name) {
  std::string group = user.substr(0, user.rfind('/') + 1);
  for (;;) {
    const std::string full = group + name;
    const bool there = std::any_of(facts.variables.begin(), facts.variables.end(),
                                   [&](const source::Variable& variable) { return variable.name == full; });
    if (there || group.empty()) return there ? full : name;
    group.pop_back();
    group.erase(group.rfind('/') + 1);
  }
}

// What the words of an attribute that names variables mean: "lat lon", "crs: x y".
std::vector<std::string> NamesIn(const SourceFacts& facts, const source::Variable& variable, const char* attribute) {
  std::vector<std::string> names;
  for (std::string& word : base::Split(variable.Text(attribute).value_or(""), ' ')) {
    if (word.ends_with(':')) word.pop_back();
    if (!word.empty()) names.push_back(Resolve(facts, variable.name, word));
  }
  return names;
}

}  // namespace

Bytes FillValue(nd::DataType type) {
  if (type == nd::DataType::kFloat32) return OneElement(std::numeric_limits<float>::quiet_NaN());
  if (type == nd::DataType::kFloat64) return OneElement(std::numeric_limits<double>::quiet_NaN());
  Buffer zero(nd::SizeOf(type));
  std::memset(zero.data(), 0, zero.size());
  return Bytes(std::move(zero));
}

void Planner::AddSmall(const std::string& name, nd::DataType type, std::vector<std::string> dimensions, nd::Index shape,
                       std::vector<std::byte> values, const std::string& attributes) {
  SmallArray small;
  small.name = name;
  small.metadata.format = recipe_.format;
  small.metadata.data_type = type;
  small.metadata.chunk_shape = shape;
  for (uint64_t& extent : small.metadata.chunk_shape) extent = std::max<uint64_t>(1, extent);
  small.metadata.shape = std::move(shape);
  small.metadata.dimension_names = std::move(dimensions);
  small.metadata.fill_value = FillValue(type);
  small.metadata.fill_value_null = !nd::IsFloat(type);
  small.metadata.attributes_json = attributes;
  if (auto codecs = zarr::CodecsFromName("zstd", type, recipe_.format == 3)) small.metadata.codecs = *std::move(codecs);
  small.values = std::move(values);
  plan_.coordinates.push_back(std::move(small));
}

void Planner::AddCoordinate(const PlannedDimension& dimension) {
  const Coordinate* coordinate = facts_.FindCoordinate(dimension.name);
  if (coordinate == nullptr) return;
  const source::Variable& variable = facts_.variables[coordinate->variable];
  const auto packing = facts_.PackingOf(variable);
  if (packing) AddRemarks(variable, *packing);
  const bool plain = packing && packing->identity(variable.type) && dimension.relabeled.empty();
  const size_t element = nd::SizeOf(variable.type);
  std::vector<std::byte> stored;
  std::vector<double> values = dimension.relabeled;
  for (const IndexRun& run : dimension.runs) {
    const auto* from = coordinate->stored.data() + run.start * element;
    stored.insert(stored.end(), from, from + run.count * element);
    if (!dimension.relabeled.empty()) continue;
    const auto first = coordinate->values.begin() + static_cast<std::ptrdiff_t>(run.start);
    values.insert(values.end(), first, first + static_cast<std::ptrdiff_t>(run.count));
  }
  nd::DataType type = variable.type;
  if (!plain) {
    if (type != nd::DataType::kFloat32) type = nd::DataType::kFloat64;
    stored = AsBytesVector(values, type);
  }
  const bool place = dimension.dropped;  // of it one value is left, which says where the data are
  const std::string name = OutputName(dimension.name);
  AddSmall(name, type, place ? std::vector<std::string>() : std::vector{name},
           place ? nd::Index() : nd::Index{dimension.size}, std::move(stored),
           ArrayAttributesJson(variable.attributes));
}

void Planner::AddCoordinates() {
  for (const PlannedDimension& dimension : plan_.selection.dimensions) {
    const bool used = std::any_of(plan_.arrays.begin(), plan_.arrays.end(), [&](const DataArray& array) {
      const auto& names = array.source_dimensions;
      return std::find(names.begin(), names.end(), dimension.name) != names.end();
    });
    if (used) AddCoordinate(dimension);
  }
  if (plan_.basis) AddBasis();
}

void Planner::AddBasis() {
  const Basis& basis = *plan_.basis;
  const std::map<std::string, std::string> names = {
      {"month", "month of the year"},
      {"day_of_year", "day of the year"},
      {"hour", "hour of the day"},
      {"harmonic", "terms of the annual harmonics: mean, cos 1, sin 1, cos 2, …"}};
  const size_t from = basis.dimension == "month" || basis.dimension == "day_of_year" ? 1 : 0;
  std::vector<int32_t> terms(basis.terms);
  for (size_t i = 0; i < terms.size(); ++i) terms[i] = static_cast<int32_t>(i + from);
  const auto* bytes = reinterpret_cast<const std::byte*>(terms.data());
  AddSmall(basis.dimension, nd::DataType::kInt32, {basis.dimension}, {basis.terms},
           {bytes, bytes + terms.size() * sizeof(int32_t)}, WithText("{}", {{"long_name", names.at(basis.dimension)}}));
  AddSmall("climatology_weights", nd::DataType::kFloat64,
           {OutputName(plan_.selection.time->dimension), basis.dimension},
           {plan_.selection.time->moments.size(), basis.terms}, AsBytesVector(basis.weights, nd::DataType::kFloat64),
           WithText("{}", {{"long_name", "climatology of a step = sum over terms of weight times coefficient"}}));
}

const source::Variable* Planner::SourceOf(const SmallArray& coordinate) const {
  for (const Coordinate& known : facts_.coordinates) {
    const source::Variable& variable = facts_.variables[known.variable];
    if (OutputName(variable.name) == coordinate.name) return &variable;
  }
  return nullptr;
}

// What the variables that are written name, and the coordinates of their dimensions.
std::vector<std::string> Planner::References() const {
  std::vector<std::string> names;
  const auto add = [&](const source::Variable& variable) {
    for (const char* attribute : kReferences) {
      for (std::string& name : NamesIn(facts_, variable, attribute)) {
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
      }
    }
  };
  for (const DataArray& array : plan_.arrays) {
    add(facts_.variables[array.input]);
  }
  for (const SmallArray& small : plan_.coordinates) {
    const source::Variable* variable = SourceOf(small);
    if (variable == nullptr) continue;
    const bool moved = !plan_.selection.Find(variable->name).relabeled.empty();  // bounds are as they were
    if (!moved) add(*variable);
  }
  return names;
}

namespace {

// UTF-32 of UTF-8, or of single bytes where it is none; without the padding behind.
std::u32string CodePoints(std::string_view bytes) {
  bytes = bytes.substr(0, bytes.find('\0'));
  const bool utf8 = base::IsUtf8(bytes);
  std::u32string out;
  for (size_t i = 0; i < bytes.size();) {
    const auto first = static_cast<unsigned char>(bytes[i++]);
    const int more = !utf8 || first < 0x80 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
    char32_t point = more == 0 ? first : first & (0x3F >> more);
    for (int k = 0; k < more; ++k) point = point << 6 | (static_cast<unsigned char>(bytes[i++]) & 0x3F);
    out.push_back(point);
  }
  return out;
}

}  // namespace

bool Planner::AddText(const source::Variable& variable) {
  const auto stored = facts_.texts.find(variable.name);
  if (stored == facts_.texts.end()) return false;
  std::vector<std::string> dimensions;
  nd::Index shape;
  for (size_t d = 0; d + 1 < variable.dimensions.size(); ++d) {
    const PlannedDimension& dimension = plan_.selection.Find(variable.dimensions[d]);
    if (dimension.dropped) return false;
    dimensions.push_back(OutputName(dimension.name));
    shape.push_back(dimension.size);
  }
  const uint64_t length = variable.shape.back();
  std::vector<std::u32string> texts;
  size_t longest = 1;
  nd::Box all{nd::Index(shape.size(), 0), shape};
  std::vector<std::string> along(variable.dimensions.begin(), variable.dimensions.end() - 1);
  for (const nd::Index& at : nd::IndicesOf(all)) {
    ForEachBox(
        RunsOf(plan_.selection, along, {at, nd::Index(at.size(), 1)}), [&](const nd::Box& box, const nd::Index&) {
          const uint64_t row = nd::LinearIndex(box.origin, std::span(variable.shape).first(box.origin.size()));
          texts.push_back(CodePoints({reinterpret_cast<const char*>(stored->second.data()) + row * length, length}));
        });
  }
  for (const std::u32string& text : texts) longest = std::max(longest, text.size());
  std::vector<std::byte> values(texts.size() * longest * sizeof(char32_t));
  for (size_t i = 0; i < texts.size(); ++i) {
    std::memcpy(values.data() + i * longest * sizeof(char32_t), texts[i].data(), texts[i].size() * sizeof(char32_t));
  }
  // How characters are to be decoded: they are.
  auto attributes = variable.attributes;
  std::erase_if(attributes, [](const auto& attribute) { return attribute.name == "_Encoding"; });
  AddSmall(OutputName(variable.name), nd::DataType::kUInt32, std::move(dimensions), std::move(shape), std::move(values),
           ArrayAttributesJson(attributes));
  zarr::ElementType type;
  type.kind = zarr::ElementKind::kText;
  type.size = longest * sizeof(char32_t);
  zarr::ArrayMetadata& metadata = plan_.coordinates.back().metadata;
  zarr::SetElementType(type, metadata);
  metadata.fill_value = zarr::ZeroElement(type);
  metadata.fill_value_null = false;
  return true;
}

Result<void> Planner::AddAuxiliary(const std::string& name) {
  const auto found = std::find_if(facts_.variables.begin(), facts_.variables.end(),
                                  [&](const source::Variable& variable) { return variable.name == name; });
  if (found == facts_.variables.end()) {
    const bool there = std::any_of(facts_.stored.begin(), facts_.stored.end(), [&](const source::Variable& variable) {
      return variable.name == name || source::ShortName(variable.name, variable.source) == name;
    });
    if (there) plan_.notes.push_back("the coordinate '" + name + "' is left out: steps changed its dimensions");
    return {};
  }
  if (facts_.FindCoordinate(name) != nullptr) return {};
  for (const DataArray& array : plan_.arrays) {
    if (array.name == OutputName(name)) return {};
  }
  const auto left_out = [&](const std::string& why) {
    plan_.notes.push_back("the coordinate '" + name + "' is left out: " + why);
  };
  const bool readable = found->unreadable.empty() && found->type != nd::DataType::kChar;
  if (!readable && found->dimensions.empty()) {  // a grid mapping: its attributes are all that there is to it
    const int32_t none = 0;
    const auto* bytes = reinterpret_cast<const std::byte*>(&none);
    AddSmall(OutputName(name), nd::DataType::kInt32, {}, {}, {bytes, bytes + sizeof none},
             ArrayAttributesJson(found->attributes));
    return {};
  }
  if (!readable && AddText(*found)) return {};
  if (!readable) {
    left_out(found->unreadable.empty() ? "it holds text" : found->unreadable);
    return {};
  }
  uint64_t bytes = nd::SizeOf(found->type);
  for (const std::string& dimension : found->dimensions) bytes *= plan_.selection.Find(dimension).size;
  if (bytes > kMaxAuxiliaryBytes) {
    left_out("it has " + base::FormatBytes(bytes) + "; named under 'variables' it is written");
    return {};
  }
  DataArray array;
  array.name = OutputName(name);
  array.input = static_cast<size_t>(found - facts_.variables.begin());
  array.auxiliary = true;
  const auto packing = facts_.PackingOf(*found);
  if (!packing) {
    left_out(packing.error().message());
    return {};
  }
  const bool identity = packing->identity(found->type);
  array.as_stored = identity;
  return Add(std::move(array), identity ? found->type : cf::DecodedType(found->type), recipe_.codec,
             ArrayAttributesJson(found->attributes), 1);
}

Result<void> Planner::AddAuxiliaries() {
  // What is added may name more: a coordinate its bounds.
  std::set<std::string> seen;
  for (bool more = true; more;) {
    more = false;
    for (const std::string& name : References()) {
      if (!seen.insert(name).second) continue;
      SEAMOUNT_TRY(AddAuxiliary(name));
      more = true;
    }
  }
  for (const source::Dimension& dimension : facts_.dimensions) {
    const bool used = std::any_of(plan_.arrays.begin(), plan_.arrays.end(), [&](const DataArray& array) {
      const auto& names = array.metadata.dimension_names;
      return std::find(names.begin(), names.end(), OutputName(dimension.name)) != names.end();
    });
    const auto there = std::find_if(facts_.variables.begin(), facts_.variables.end(),
                                    [&](const source::Variable& variable) { return variable.name == dimension.name; });
    const bool found = there != facts_.variables.end();
    if (used && found && facts_.FindCoordinate(dimension.name) == nullptr && !seen.contains(dimension.name)) {
      const std::string none = "it holds no numbers along '" + dimension.name + "'";
      plan_.notes.push_back("the coordinate '" + dimension.name +
                            "' is left out: " + (there->unreadable.empty() ? none : there->unreadable));
    }
  }
  return {};
}

// A selected place is a coordinate without a dimension, which readers find by name alone.
void Planner::NamePlaces(DataArray& array, const std::set<std::string>& there) const {
  if (array.auxiliary) return;
  const std::string before = TextIn(array.metadata.attributes_json, "coordinates");
  const std::vector<std::string> named = base::Split(before, ' ');
  std::string names = before;
  for (const std::string& name : array.source_dimensions) {
    const std::string written = OutputName(name);
    if (!plan_.selection.Find(name).dropped || !there.contains(written)) continue;
    if (std::find(named.begin(), named.end(), written) != named.end()) continue;
    names += (names.empty() ? "" : " ") + written;
  }
  if (names == before) return;
  array.metadata.attributes_json = WithText(array.metadata.attributes_json, {{"coordinates", names}});
}

// No attribute points to what is not there: readers look for it.
void Planner::CleanReferences() {
  std::set<std::string> there;
  for (const DataArray& array : plan_.arrays) there.insert(array.name);
  for (const SmallArray& small : plan_.coordinates) there.insert(small.name);
  const auto clean = [&](std::string& attributes, const source::Variable& variable) {
    const auto called = [&](const std::string& name) { return OutputName(Resolve(facts_, variable.name, name)); };
    std::map<std::string, std::string> changed;
    for (const char* attribute : kReferences) {
      const std::vector<std::string> names = NamesIn(facts_, variable, attribute);
      if (names.empty()) continue;
      std::string kept;
      size_t found = 0;
      for (const std::string& name : names) {
        if (!there.contains(OutputName(name))) continue;
        kept += (kept.empty() ? "" : " ") + OutputName(name);
        ++found;
      }
      // A list of coordinates is as good with one less; bounds and mappings are whole or nothing.
      if (found < names.size()) {
        changed[attribute] = std::string(attribute) == "coordinates" ? kept : "";
        continue;
      }
      const std::string before = variable.Text(attribute).value_or("");
      if (const std::string text = source::WithNames(before, called); text != before) changed[attribute] = text;
    }
    if (!changed.empty()) attributes = WithText(attributes, changed);
  };
  for (DataArray& array : plan_.arrays) {
    clean(array.metadata.attributes_json, facts_.variables[array.input]);
    NamePlaces(array, there);
  }
  for (SmallArray& small : plan_.coordinates) {
    if (const source::Variable* variable = SourceOf(small)) clean(small.metadata.attributes_json, *variable);
  }
}

}  // namespace seamount::prepare
