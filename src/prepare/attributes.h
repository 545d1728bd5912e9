// Attributes of what preparing writes, as JSON.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cf/attribute.h"
#include "prepare/pack.h"

namespace seamount::prepare {

// Whether an attribute says what the stored numbers mean: how they are packed, which of them are missing.
bool IsPacking(std::string_view attribute);

// Attributes as a JSON object.
std::string AttributesJson(const std::vector<cf::Attribute>& attributes);
// Those of an array that is written: without what says how numbers are packed. Either that was applied, or it changed
// nothing (a _FillValue of NaN, which the array's own fill value says). Readers would apply it again, and xarray
// expects another spelling of _FillValue in format 3 than any that a file has.
std::string ArrayAttributesJson(const std::vector<cf::Attribute>& attributes);
// Adds or replaces text members of a JSON object; an empty text removes one.
std::string WithText(const std::string& object, const std::map<std::string, std::string>& members);
// A text member of a JSON object; empty where there is none.
std::string TextIn(const std::string& object, const std::string& member);

// What statistics add to a data array's attributes.
struct ArrayRemarks {
  std::optional<double> mean;
  std::optional<double> std;
  std::optional<std::pair<double, double>> quantiles;  // what mean and std are made of, if not of moments
  std::string climatology;                             // the name of the array; empty: none was subtracted
  std::string climatology_kind;
  std::string over;
  std::optional<Pack> pack;
};
std::string WithRemarks(const std::string& attributes, const ArrayRemarks& remarks);
// Mean and std, where the attributes have them.
ArrayRemarks ParseRemarks(const std::string& attributes);

}  // namespace seamount::prepare
