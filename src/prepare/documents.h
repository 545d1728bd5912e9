// The JSON that preparing writes: attributes, group metadata, the record of what is done, plans for scripts.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "prepare/plan.h"
#include "source/dataset.h"

namespace seamount::prepare {

// Attributes as a JSON object. `decoded`: leave out those that say how numbers are packed, since they no longer are.
std::string AttributesJson(const std::vector<source::Attribute>& attributes, bool decoded);
// Adds or replaces text members of a JSON object.
std::string WithText(const std::string& object, const std::map<std::string, std::string>& members);

// What statistics add to a data array's attributes.
struct ArrayRemarks {
  std::optional<double> mean;
  std::optional<double> std;
  std::string climatology;  // the name of the array; empty: none was subtracted
  std::string climatology_kind;
  std::string over;
};
std::string WithRemarks(const std::string& attributes, const ArrayRemarks& remarks);
// Mean and std, where the attributes have them.
ArrayRemarks ParseRemarks(const std::string& attributes);

// The group's attributes: those of the source, and where it all came from.
std::string GroupAttributes(const Recipe& recipe, const SourceFacts& facts, const SelectionPlan& selection);

// The record beside the data, see execute.h.
struct Record {
  std::string plan;  // fingerprint
  bool complete = false;
  bool replacing = false;      // objects of an older output lie here until the run is complete
  std::set<std::string> done;  // fingerprints of tasks, and of statistics that lie in the output
};
std::string RecordJson(const Record& record);
Result<Record> ParseRecord(std::string_view json);

std::string PlanJson(const Plan& plan, const SourceFacts& facts);

// 32 hexadecimal digits that stand for the text.
std::string Fingerprint(std::string_view text);

}  // namespace seamount::prepare
