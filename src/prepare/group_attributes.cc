#include "prepare/group_attributes.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cf/calendar.h"
#include "prepare/attributes.h"

namespace seamount::prepare {
namespace {
using Json = nlohmann::ordered_json;
}  // namespace

std::string GroupAttributes(const Recipe& recipe, const SourceFacts& facts, const SelectionPlan& selection,
                            const std::string& id) {
  Json out = Json::parse(AttributesJson(facts.attributes));
  Json files = Json::array();
  for (const source::FileIdentity& file : facts.files) {
    files.push_back({{"name", std::filesystem::path(file.path).filename().string()},
                     {"size", file.size_bytes},
                     {"modified_ns", file.modified_ns}});
  }
  Json own = {{"version", SEAMOUNT_VERSION}, {"id", id}, {"recipe", recipe.text}, {"sources", std::move(files)}};
  if (!selection.splits.empty()) {
    Json splits = Json::object();
    Json of_stretches = Json::object();
    for (const SplitRange& split : selection.splits) {
      if (split.some.empty()) splits[split.name] = {split.start, split.stop};
      for (const Stretch& stretch : split.some) of_stretches[split.name].push_back({stretch.start, stretch.stop});
    }
    if (!splits.empty()) own["splits"] = std::move(splits);
    if (!of_stretches.empty()) own["split_ranges"] = std::move(of_stretches);
  }
  if (selection.time) {
    own["sample_dim"] = OutputName(selection.time->dimension);
    Json segments = Json::array();
    for (const Stretch& segment : selection.time->segments) segments.push_back({segment.start, segment.stop});
    own["segments"] = std::move(segments);
  }
  out["seamount"] = std::move(own);
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace seamount::prepare
