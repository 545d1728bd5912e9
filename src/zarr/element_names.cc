// The names of data types in both formats.
#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "zarr/codecs/codec_spec.h"
#include "zarr/element_type.h"

namespace seamount::zarr {
namespace {

struct NumberRow {
  nd::DataType type;
  std::string_view code;
};
constexpr NumberRow kNumbers[] = {
    {nd::DataType::kBool, "b1"},      {nd::DataType::kInt8, "i1"},        {nd::DataType::kInt16, "i2"},
    {nd::DataType::kInt32, "i4"},     {nd::DataType::kInt64, "i8"},       {nd::DataType::kUInt8, "u1"},
    {nd::DataType::kUInt16, "u2"},    {nd::DataType::kUInt32, "u4"},      {nd::DataType::kUInt64, "u8"},
    {nd::DataType::kFloat16, "f2"},   {nd::DataType::kFloat32, "f4"},     {nd::DataType::kFloat64, "f8"},
    {nd::DataType::kComplex64, "c8"}, {nd::DataType::kComplex128, "c16"},
};

constexpr std::string_view kUnits[] = {"generic", "Y",  "M",  "W",  "D",  "h",  "m", "s",
                                       "ms",      "us", "ns", "ps", "fs", "as", "μs"};
constexpr const char* kBFloat16 = "bfloat16";
constexpr const char* kDatetimeName = "numpy.datetime64";
constexpr const char* kTimedeltaName = "numpy.timedelta64";
constexpr const char* kTextName = "fixed_length_utf32";
constexpr const char* kBytesName = "null_terminated_bytes";
constexpr const char* kRawName = "raw_bytes";
constexpr const char* kStringName = "string";
constexpr const char* kByteStringName = "variable_length_bytes";  // as zarr-python; "bytes" is read too
constexpr const char* kStructName = "structured";
constexpr size_t kMostFields = 1024;

std::optional<uint64_t> NumberFrom(std::string_view digits, uint64_t most) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || number > most) return std::nullopt;
  return number;
}

Error Unsupported(std::string_view name, std::string_view more = "") {
  return base::InvalidArgument("data type \"" + std::string(name.substr(0, 64)) + "\" is not supported" +
                               std::string(more));
}

Result<ScalarType> Sized(ElementKind kind, uint64_t size, std::string_view name) {
  if (size == 0 || size > kMaxElementBytes) return Unsupported(name, " (an element has 1 byte to 1 MiB)");
  return ScalarType{.kind = kind, .size = size};
}

// "", "[ns]" or "[10s]".
std::optional<ScalarType> TimeFrom(ElementKind kind, std::string_view text) {
  ScalarType time{.kind = kind, .size = 8, .unit = "generic"};
  if (text.empty()) return time;
  if (text.front() != '[' || text.back() != ']') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits > 0) {
    const auto per = NumberFrom(text.substr(0, digits), INT32_MAX);
    if (!per || *per == 0) return std::nullopt;
    time.per = static_cast<int>(*per);
  }
  time.unit = text.substr(digits);
  if (std::find(std::begin(kUnits), std::end(kUnits), time.unit) == std::end(kUnits)) return std::nullopt;
  return time;
}

Result<ScalarType> ScalarFromV2(const std::string& text, bool& big_endian) {
  big_endian = false;
  if (text == kBFloat16) return ScalarType{.kind = ElementKind::kBFloat16, .size = 2};
  const char order = text.empty() ? ' ' : text[0];
  if (text.size() < 2 || (order != '<' && order != '>' && order != '|')) return Unsupported(text);
  const std::string_view code = std::string_view(text).substr(1);
  const std::string_view rest = code.substr(1);
  ScalarType type;
  if (const auto number = NumberFromCode(code)) {
    type = ElementType(*number);
  } else if (code.starts_with("M8") || code.starts_with("m8")) {
    const auto kind = code[0] == 'M' ? ElementKind::kDatetime : ElementKind::kTimedelta;
    const auto time = TimeFrom(kind, code.substr(2));
    if (!time) return Unsupported(text);
    type = *time;
  } else if (const auto length = NumberFrom(rest, kMaxElementBytes); length && code[0] == 'U') {
    SEAMOUNT_TRY_ASSIGN(type, Sized(ElementKind::kText, 4 * *length, text));
  } else if (length && (code[0] == 'S' || code[0] == 'V')) {
    SEAMOUNT_TRY_ASSIGN(type, Sized(code[0] == 'S' ? ElementKind::kBytes : ElementKind::kRaw, *length, text));
  } else if (code == "O") {
    return Unsupported(text,
                       " without \"vlen-utf8\" or \"vlen-bytes\" as its first filter (objects of other kinds are not)");
  } else {
    return Unsupported(text, " (booleans, numbers, times, U, S and V are)");
  }
  if (order == '|' && type.word() > 1) return Unsupported(text, ": it has no byte order");
  big_endian = order == '>' && type.word() > 1;
  return type;
}

Result<void> AddField(ElementType& whole, std::string name, ScalarType type) {
  if (type.variable()) return base::InvalidArgument("fields of variable length are not supported");
  if (whole.fields.size() == kMostFields) return base::InvalidArgument("more than 1,024 fields are not supported");
  whole.fields.push_back({std::move(name), whole.size, std::move(type)});
  whole.size += whole.fields.back().type.size;
  if (whole.size > kMaxElementBytes) return base::InvalidArgument("elements of more than 1 MiB are not supported");
  return {};
}

ElementType Structured() {
  ElementType whole;
  whole.kind = ElementKind::kRaw;
  return whole;
}

Result<ElementType> Finished(ElementType whole) {
  if (whole.fields.empty()) return base::InvalidArgument("a structured data type without fields is not supported");
  return whole;
}

std::string CodeOf(const ScalarType& type, bool big_endian) {
  if (type.kind == ElementKind::kBFloat16) return kBFloat16;
  if (type.variable()) return "|O";
  const std::string order(1, type.word() == 1 ? '|' : big_endian ? '>' : '<');
  const std::string times = type.unit == "generic" ? ""
                            : type.per == 1        ? "[" + type.unit + "]"
                                                   : "[" + std::to_string(type.per) + type.unit + "]";
  switch (type.kind) {
    case ElementKind::kNumber: return order + std::string(kNumbers[static_cast<size_t>(type.number)].code);
    case ElementKind::kDatetime: return order + "M8" + times;
    case ElementKind::kTimedelta: return order + "m8" + times;
    case ElementKind::kText: return order + "U" + std::to_string(type.size / 4);
    case ElementKind::kBytes: return order + "S" + std::to_string(type.size);
    default: return order + "V" + std::to_string(type.size);
  }
}

Json NamedType(const char* name, Json configuration) {
  return Json{{"name", name}, {"configuration", std::move(configuration)}};
}

Json ScalarToV3(const ScalarType& type) {
  const Json length{{"length_bytes", type.size}};
  switch (type.kind) {
    case ElementKind::kNumber: return nd::NameOf(type.number);
    case ElementKind::kBFloat16: return kBFloat16;
    case ElementKind::kDatetime: return NamedType(kDatetimeName, {{"unit", type.unit}, {"scale_factor", type.per}});
    case ElementKind::kTimedelta: return NamedType(kTimedeltaName, {{"unit", type.unit}, {"scale_factor", type.per}});
    case ElementKind::kText: return NamedType(kTextName, length);
    case ElementKind::kBytes: return NamedType(kBytesName, length);
    case ElementKind::kString: return kStringName;
    case ElementKind::kByteString: return kByteStringName;
    case ElementKind::kRaw: break;
  }
  return NamedType(kRawName, length);
}

Result<ScalarType> TimeFromV3(const std::string& name, const Json& configuration) {
  SEAMOUNT_TRY_ASSIGN(const std::string unit, StringMember(configuration, "unit"));
  SEAMOUNT_TRY_ASSIGN(const int per, IntMemberOr(configuration, "scale_factor", 1, 1, INT32_MAX));
  const auto kind = name == kDatetimeName ? ElementKind::kDatetime : ElementKind::kTimedelta;
  const auto time = TimeFrom(kind, "[" + std::to_string(per) + unit + "]");
  if (!time) return base::InvalidArgument("\"unit\" is \"" + unit.substr(0, 64) + "\" (\"s\", \"ns\" and so on are)");
  return *time;
}

Result<ScalarType> ScalarFromV3(const std::string& name, const Json& configuration) {
  if (name == kBFloat16) return ScalarType{.kind = ElementKind::kBFloat16, .size = 2};
  if (name == kDatetimeName || name == kTimedeltaName) return TimeFromV3(name, configuration);
  if (name == kStringName || name == "variable_length_utf8") return VariableElement(ElementKind::kString);
  if (name == kByteStringName || name == "bytes") return VariableElement(ElementKind::kByteString);
  if (name.starts_with('r') && name.find_first_not_of("0123456789", 1) == std::string::npos) {
    const auto bits = NumberFrom(std::string_view(name).substr(1), 8 * kMaxElementBytes);
    if (!bits || *bits % 8 != 0) return Unsupported(name);
    return Sized(ElementKind::kRaw, *bits / 8, name);
  }
  for (const auto& [spelling, kind] :
       {std::pair(kTextName, ElementKind::kText), {kBytesName, ElementKind::kBytes}, {kRawName, ElementKind::kRaw}}) {
    if (name != spelling) continue;
    SEAMOUNT_TRY(Member(configuration, "length_bytes"));
    SEAMOUNT_TRY_ASSIGN(const int length,
                        IntMemberOr(configuration, "length_bytes", 0, 0, static_cast<int>(kMaxElementBytes)));
    if (kind == ElementKind::kText && length % 4 != 0) return base::DataLoss("\"length_bytes\" is no multiple of 4");
    return Sized(kind, static_cast<uint64_t>(length), name);
  }
  std::vector<std::string> names = {kBFloat16,  kDatetimeName, kTimedeltaName, kTextName,
                                    kBytesName, kRawName,      kStringName,    kByteStringName};
  if (name == "complex_float32") return ElementType(nd::DataType::kComplex64);
  if (name == "complex_float64") return ElementType(nd::DataType::kComplex128);
  for (const NumberRow& row : kNumbers) {
    if (name == nd::NameOf(row.type)) return ElementType(row.type);
    names.emplace_back(nd::NameOf(row.type));
  }
  return Unsupported(name, base::NameHint(name.substr(0, 64), names));
}

struct NamedPart {
  std::string name;
  Json configuration;
};
Result<NamedPart> PartsOf(const Json& data_type) {
  if (data_type.is_string()) return NamedPart{data_type.get<std::string>(), Json::object()};
  SEAMOUNT_TRY_ASSIGN(std::string name, StringMember(data_type, "name"));
  const auto configuration = data_type.find("configuration");
  NamedPart parts{std::move(name), Json::object()};
  if (configuration == data_type.end()) return parts;
  if (!configuration->is_object()) return base::DataLoss("data_type: \"configuration\" is not an object");
  parts.configuration = *configuration;
  return parts;
}

// Fields as ["name", type], or as {"name": …, "data_type": …}.
Result<ElementType> StructFromV3(const Json& configuration) {
  SEAMOUNT_TRY_ASSIGN(const Json* fields, Member(configuration, "fields"));
  if (!fields->is_array()) return base::DataLoss("\"fields\" is not a list");
  ElementType whole = Structured();
  for (const Json& field : *fields) {
    const bool pair = field.is_array() && field.size() == 2 && field[0].is_string();
    if (!pair && !(field.is_object() && field.contains("name") && field.contains("data_type"))) {
      return base::DataLoss("\"fields\" is not a list of names with their types");
    }
    const Json& name = pair ? field[0] : field["name"];
    if (!name.is_string()) return base::DataLoss("a field's name is no text");
    SEAMOUNT_TRY_ASSIGN(const NamedPart parts, PartsOf(pair ? field[1] : field["data_type"]));
    SEAMOUNT_TRY_ASSIGN(ScalarType type, ScalarFromV3(parts.name, parts.configuration));
    SEAMOUNT_TRY(AddField(whole, name.get<std::string>(), std::move(type)));
  }
  return Finished(std::move(whole));
}

ElementType ElementOf(ScalarType scalar) {
  ElementType element;
  static_cast<ScalarType&>(element) = std::move(scalar);
  return element;
}

}  // namespace

std::optional<nd::DataType> NumberFromCode(std::string_view code) {
  for (const NumberRow& row : kNumbers) {
    if (row.code == code) return row.type;
  }
  return std::nullopt;
}

Result<ElementType> ElementFromV2(const Json& dtype, bool& big_endian) {
  big_endian = false;
  if (dtype.is_string()) {
    SEAMOUNT_TRY_ASSIGN(ScalarType scalar, ScalarFromV2(dtype.get<std::string>(), big_endian));
    return ElementOf(std::move(scalar));
  }
  if (!dtype.is_array()) return base::DataLoss("\"dtype\" is neither a code nor a list of fields");
  ElementType whole = Structured();
  std::optional<bool> order;
  for (const Json& field : dtype) {
    if (!field.is_array() || field.size() < 2 || !field[0].is_string()) {
      return base::DataLoss("\"dtype\" is not a list of names with their types");
    }
    if (field.size() > 2 || !field[1].is_string()) {
      return base::InvalidArgument("fields that are structured themselves or have a shape are not supported");
    }
    bool field_order = false;
    SEAMOUNT_TRY_ASSIGN(ScalarType type, ScalarFromV2(field[1].get<std::string>(), field_order));
    if (type.word() > 1) {
      if (order && *order != field_order) return base::InvalidArgument("fields of both byte orders are not supported");
      order = field_order;
    }
    SEAMOUNT_TRY(AddField(whole, field[0].get<std::string>(), std::move(type)));
  }
  big_endian = order.value_or(false);
  return Finished(std::move(whole));
}

Json ElementToV2(const ElementType& type, bool big_endian) {
  if (type.fields.empty()) return CodeOf(type, big_endian);
  Json fields = Json::array();
  for (const ElementField& field : type.fields) {
    fields.push_back(Json::array({field.name, CodeOf(field.type, big_endian)}));
  }
  return fields;
}

Result<ElementType> ElementFromV3(const Json& data_type) {
  SEAMOUNT_TRY_ASSIGN(const NamedPart parts, PartsOf(data_type));
  if (parts.name == kStructName || parts.name == "struct") return StructFromV3(parts.configuration);
  SEAMOUNT_TRY_ASSIGN(ScalarType scalar, ScalarFromV3(parts.name, parts.configuration));
  return ElementOf(std::move(scalar));
}

Json ElementToV3(const ElementType& type) {
  if (type.fields.empty()) return ScalarToV3(type);
  Json fields = Json::array();
  for (const ElementField& field : type.fields) {
    fields.push_back(Json::array({field.name, ScalarToV3(field.type)}));
  }
  return NamedType(kStructName, Json{{"fields", std::move(fields)}});
}

std::string NameOf(const ElementType& type) {
  if (type.kind == ElementKind::kString) return "text of variable length";
  if (type.kind == ElementKind::kByteString) return "bytes of variable length";
  if (type.kind == ElementKind::kNumber) return std::string(nd::NameOf(type.number));
  return DumpJson(ElementToV2(type, /*big_endian=*/false));
}

}  // namespace seamount::zarr
