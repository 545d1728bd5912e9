#include "zarr/tree.h"

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "zarr/codecs/json.h"
#include "zarr/documents.h"
#include "zarr/group.h"
#include "zarr/whole_group.h"

namespace seamount::zarr {
namespace {

constexpr int kMaxGroupDepth = 32;

TreeArray ArrayOf(std::string path, Result<ArrayMetadata> metadata) {
  TreeArray array{std::move(path), {}, {}};
  if (metadata) {
    array.metadata = *std::move(metadata);
  } else {
    array.trouble = metadata.error().message();
  }
  return array;
}

void AddV3(const Json& consolidated, Tree& tree) {
  for (const auto& [path, document] : consolidated.items()) {
    if (!document.is_object() || document.value("node_type", Json()) != Json("array")) continue;
    tree.arrays.push_back(ArrayOf(path, ParseArrayMetadataV3(DumpJson(document))));
  }
}

void AddV2(const Json& consolidated, Tree& tree) {
  constexpr std::string_view kName = ".zarray";
  for (const auto& [key, document] : consolidated.items()) {
    if (!key.ends_with(kName)) continue;
    std::string folder = key.substr(0, key.size() - kName.size());  // "" or with '/'
    const Json attributes = consolidated.value(folder + ".zattrs", Json::object());
    if (!folder.empty()) folder.pop_back();
    tree.arrays.push_back(ArrayOf(folder, ParseArrayMetadataV2(DumpJson(document), DumpJson(attributes))));
  }
}

// The object at these members; null where one is missing.
const Json* Inside(const Json& json, std::initializer_list<const char*> names) {
  const Json* at = &json;
  for (const char* name : names) {
    const auto found = at->find(name);
    if (!at->is_object() || found == at->end()) return nullptr;
    at = &*found;
  }
  return at->is_object() ? at : nullptr;
}

Result<std::optional<Json>> ReadJson(Store& store, const std::string& key, Tree& tree, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto document, ReadDocument(store, key, context));
  if (!document) return std::optional<Json>();
  auto json = ParseJsonObject(document->text());
  if (!json) return json.error().Wrap("'" + key + "'");
  tree.generation += document->generation.text() + ";";
  return std::optional(*std::move(json));
}

// False when there is no array.
Result<bool> AddArray(Store& store, const std::string& path, const std::string& relative, Tree& tree,
                      const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto v3, ReadJson(store, JoinPath(path, "zarr.json"), tree, context));
  if (v3) {
    if (v3->value("node_type", Json()) != Json("array")) return false;
    tree.arrays.push_back(ArrayOf(relative, ParseArrayMetadataV3(DumpJson(*v3))));
    return true;
  }
  SEAMOUNT_TRY_ASSIGN(const auto v2, ReadJson(store, JoinPath(path, ".zarray"), tree, context));
  if (!v2) return false;
  SEAMOUNT_TRY_ASSIGN(const auto attributes, ReadJson(store, JoinPath(path, ".zattrs"), tree, context));
  tree.arrays.push_back(
      ArrayOf(relative, ParseArrayMetadataV2(DumpJson(*v2), DumpJson(attributes.value_or(Json::object())))));
  return true;
}

Result<void> Walk(Store& store, const std::string& path, const std::string& relative, int depth, Tree& tree,
                  const CallContext& context) {
  if (depth > kMaxGroupDepth) return base::DataLoss("groups nest deeper than 32 levels at '" + path + "'");
  SEAMOUNT_TRY_ASSIGN(const auto members, ListMembers(store, path, context));
  for (const GroupMember& member : members) {
    const std::string child = JoinPath(path, member.name);
    const std::string child_relative = JoinPath(relative, member.name);
    if (member.kind == NodeKind::kGroup) {
      SEAMOUNT_TRY(Walk(store, child, child_relative, depth + 1, tree, context));
    } else {
      SEAMOUNT_TRY(AddArray(store, child, child_relative, tree, context));
    }
  }
  return {};
}

// True when consolidated metadata were there.
Result<bool> AddConsolidated(Store& store, const std::string& path, int format, Tree& tree,
                             const CallContext& context) {
  const std::string key = JoinPath(path, format == 3 ? "zarr.json" : ".zmetadata");
  SEAMOUNT_TRY_ASSIGN(const auto document, ReadJson(store, key, tree, context));
  if (!document) return false;
  const Json* const all =
      format == 3 ? Inside(*document, {"consolidated_metadata", "metadata"}) : Inside(*document, {"metadata"});
  if (all == nullptr) return false;
  if (format == 3) {
    AddV3(*all, tree);
  } else {
    AddV2(*all, tree);
  }
  return true;
}

}  // namespace

Result<Tree> ReadTree(Store& store, const std::string& path, const CallContext& context) {
  Tree tree;
  SEAMOUNT_TRY_ASSIGN(const bool alone, AddArray(store, path, "", tree, context));
  if (alone) return tree;
  tree.generation.clear();
  SEAMOUNT_TRY_ASSIGN(const auto group, OpenWholeGroup(store, path, context));
  if (!group) return base::NotFound("there is no Zarr group or array at '" + path + "'");
  tree.attributes_json = group->attributes_json;
  SEAMOUNT_TRY_ASSIGN(const bool consolidated, AddConsolidated(store, path, group->format, tree, context));
  if (!consolidated) SEAMOUNT_TRY(Walk(store, path, "", 0, tree, context));
  return tree;
}

}  // namespace seamount::zarr
