#include "cf/packing.h"

#include <algorithm>
#include <cctype>
#include <cmath>

namespace seamount::cf {
namespace {

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

// The types of Java and of the classic format have no unsigned integers, and those of OPeNDAP no signed bytes: files
// say so by _Unsigned, in any spelling of "true" and "false".
nd::DataType ReadAs(std::span<const Attribute> attributes, nd::DataType stored) {
  const std::string text = Lower(TextOf(attributes, "_Unsigned").value_or(""));
  if (text == "true") return nd::Unsigned(stored);
  if (text == "false") return nd::Signed(stored);
  return stored;
}

class Parser {
 public:
  Parser(std::span<const Attribute> attributes, nd::DataType stored) : attributes_(attributes), stored_(stored) {
    packing_.type = ReadAs(attributes, stored);
  }

  Result<Packing> Parse(std::optional<double> fill, const Options& options) {
    SEAMOUNT_TRY(ReadScale("scale_factor", packing_.scale));
    SEAMOUNT_TRY(ReadScale("add_offset", packing_.offset));
    if (packing_.scale == 0) return base::InvalidArgument("attribute 'scale_factor' is 0");
    const bool named = ReadMissing("_FillValue");
    ReadMissing("missing_value");
    if (fill && !named && (*fill != 0 || packing_.scales())) AddMissing(*fill);
    if (options.valid_range == ValidRange::kApply) ReadLimits();
    return std::move(packing_);
  }

 private:
  Result<void> ReadScale(const char* name, double& into) {
    const Attribute* attribute = FindAttribute(attributes_, name);
    if (attribute == nullptr) return {};
    if (attribute->numbers.size() != 1 || !std::isfinite(attribute->numbers.front())) {
      return base::InvalidArgument("attribute '" + std::string(name) + "' is not one number");
    }
    into = attribute->numbers.front();
    return {};
  }

  // A number as it stands among the stored ones. Attributes of a variable with _Unsigned keep the sign of the stored
  // type; a fill value of a float32 variable may be written as float64 (-99.9) and means the float32 nearest to it.
  double AsStored(double value) const {
    if (packing_.type == nd::DataType::kFloat32) return static_cast<double>(static_cast<float>(value));
    if (packing_.type == stored_) return value;
    const double range = std::ldexp(1.0, static_cast<int>(8 * nd::SizeOf(stored_)));
    if (packing_.type == nd::Unsigned(stored_)) return value < 0 ? value + range : value;
    return value >= range / 2 ? value - range : value;
  }

  void AddMissing(double number) {
    const double value = AsStored(number);
    if (std::isnan(value)) return;  // is NaN already
    auto& missing = packing_.missing;
    if (std::find(missing.begin(), missing.end(), value) == missing.end()) missing.push_back(value);
  }

  // Whether the attribute is there and says what is missing.
  bool ReadMissing(const char* name) {
    const Attribute* attribute = FindAttribute(attributes_, name);
    if (attribute == nullptr || packing_.type == nd::DataType::kChar) return false;
    for (const double number : attribute->numbers) AddMissing(number);
    return !attribute->numbers.empty();
  }

  void Ignore(const char* name, const std::string& why) {
    packing_.remarks.push_back("attribute '" + std::string(name) + "' " + why + ": ignored");
  }

  // A limit whose type is wider than the stored one is in the units of the values, as the NetCDF guide has it.
  bool InValueUnits(const Attribute& limit) const {
    const bool wider =
        nd::IsFloat(limit.type) && (nd::IsInteger(packing_.type) || nd::SizeOf(limit.type) > nd::SizeOf(packing_.type));
    return wider && packing_.scales();
  }

  // Such a limit means the stored number that it would be packed to. A negative scale turns low and high around.
  void SetLimit(const Attribute& attribute, double limit, bool is_low) {
    const bool values = InValueUnits(attribute);
    double stored = AsStored(limit);
    if (values) {
      const double packed = (limit - packing_.offset) / packing_.scale;
      stored = nd::IsInteger(packing_.type) ? std::nearbyint(packed) : AsStored(packed);
    }
    const bool turned = values && packing_.scale < 0;
    (is_low != turned ? packing_.valid_min : packing_.valid_max) = stored;
  }

  void ReadLimits() {
    if (const Attribute* range = FindAttribute(attributes_, "valid_range")) {
      if (range->numbers.size() != 2) {
        Ignore("valid_range", "is not two numbers");
      } else {
        SetLimit(*range, range->numbers[0], true);
        SetLimit(*range, range->numbers[1], false);
      }
    }
    for (const char* name : {"valid_min", "valid_max"}) {
      const Attribute* attribute = FindAttribute(attributes_, name);
      if (attribute == nullptr) continue;
      if (attribute->numbers.size() != 1) {
        Ignore(name, "is not one number");
      } else {
        SetLimit(*attribute, attribute->numbers.front(), std::string_view(name) == "valid_min");
      }
    }
    const double low = packing_.valid_min.value_or(-HUGE_VAL);
    const double high = packing_.valid_max.value_or(HUGE_VAL);
    if (low <= high) return;  // false for NaN
    Ignore("valid_range", "(or valid_min, valid_max) leaves no value valid");
    packing_.valid_min.reset();
    packing_.valid_max.reset();
  }

  const std::span<const Attribute> attributes_;
  const nd::DataType stored_;
  Packing packing_;
};

}  // namespace

Result<Packing> ParsePacking(std::span<const Attribute> attributes, nd::DataType stored, std::optional<double> fill,
                             const Options& options) {
  return Parser(attributes, stored).Parse(fill, options);
}

std::optional<double> DefaultFill(nd::DataType type) {
  constexpr double kFloat = 9.9692099683868690e+36;
  switch (type) {
    case nd::DataType::kInt16: return -32767;
    case nd::DataType::kUInt16: return 65535;
    case nd::DataType::kInt32: return -2147483647;
    case nd::DataType::kUInt32: return 4294967295.0;
    case nd::DataType::kInt64: return -9223372036854775806.0;
    case nd::DataType::kUInt64: return 18446744073709551614.0;
    case nd::DataType::kFloat32:
    case nd::DataType::kFloat64: return kFloat;
    default: return std::nullopt;
  }
}

}  // namespace seamount::cf
