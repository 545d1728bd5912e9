#include "zarr/group.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "zarr/codecs/json.h"
#include "zarr/documents.h"

namespace seamount::zarr {
namespace {

// How deep groups may nest before we believe to be walking in something else.
constexpr int kMaxGroupDepth = 32;

// The documents of one node, of whichever format.
struct Node {
  int format = 3;
  NodeKind kind = NodeKind::kGroup;
  Json document;                   // zarr.json, .zgroup or .zarray
  Json attributes;                 // .zattrs; v3 has them inside
  store::Generation generation{};  // of the document
};

// generation: the document's, if it is there.
Result<std::optional<Json>> ReadJson(Store& store, const std::string& key, store::Generation* generation,
                                     const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto document, ReadDocument(store, key, context));
  if (!document) return std::optional<Json>();
  auto json = ParseJsonObject(document->text());
  if (!json) return json.error().Wrap("'" + key + "'");
  if (generation != nullptr) *generation = document->generation;
  return std::optional<Json>(*std::move(json));
}

Result<Node> NodeFromV3(Json document, const std::string& path) {
  Node node;
  SEAMOUNT_TRY_ASSIGN(const std::string type, StringMember(document, "node_type"));
  if (type != "group" && type != "array") {
    return base::DataLoss("'" + path + "': \"node_type\" is neither \"group\" nor \"array\"");
  }
  node.kind = type == "array" ? NodeKind::kArray : NodeKind::kGroup;
  node.document = std::move(document);
  return node;
}

// nullopt: neither array nor group.
Result<std::optional<Node>> ReadNode(Store& store, const std::string& path, const CallContext& context) {
  store::Generation generation;
  SEAMOUNT_TRY_ASSIGN(auto v3, ReadJson(store, JoinPath(path, "zarr.json"), &generation, context));
  if (v3) {
    SEAMOUNT_TRY_ASSIGN(Node node, NodeFromV3(*std::move(v3), path));
    node.generation = generation;
    return std::optional<Node>(std::move(node));
  }
  for (const NodeKind kind : {NodeKind::kGroup, NodeKind::kArray}) {
    const char* const name = kind == NodeKind::kGroup ? ".zgroup" : ".zarray";
    SEAMOUNT_TRY_ASSIGN(auto document, ReadJson(store, JoinPath(path, name), &generation, context));
    if (!document) continue;
    SEAMOUNT_TRY_ASSIGN(auto attributes, ReadJson(store, JoinPath(path, ".zattrs"), nullptr, context));
    Node node{2, kind, *std::move(document), attributes ? *std::move(attributes) : Json::object(), generation};
    return std::optional<Node>(std::move(node));
  }
  return std::optional<Node>();
}

Result<Node> ReadGroupNode(Store& store, const std::string& path, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(auto node, ReadNode(store, path, context));
  if (!node) return base::NotFound("there is neither zarr.json nor .zgroup");
  if (node->kind != NodeKind::kGroup) return base::InvalidArgument("an array, not a group");
  return *std::move(node);
}

Result<std::vector<std::string>> ChildNames(Store& store, const std::string& path, const CallContext& context) {
  const std::string prefix = JoinPath(path, "");
  SEAMOUNT_TRY_ASSIGN(const auto page, store::ListAll(store, {.prefix = prefix, .delimiter = "/"}, context));
  std::vector<std::string> names;
  for (const std::string& child : page.prefixes) {
    names.push_back(child.substr(prefix.size(), child.size() - prefix.size() - 1));
  }
  std::erase(names, "");
  return names;
}

// An empty consolidation, as zarr-python leaves it in the groups within.
Json Consolidation(Json metadata) {
  Json json = Json::object();
  json["kind"] = "inline";
  json["must_understand"] = false;
  json["metadata"] = std::move(metadata);
  return json;
}

void AddNode(const std::string& relative, Node node, Json& all) {
  if (node.format == 3) {
    if (node.kind == NodeKind::kGroup) node.document["consolidated_metadata"] = Consolidation(Json::object());
    all[relative] = std::move(node.document);
    return;
  }
  all[JoinPath(relative, node.kind == NodeKind::kGroup ? ".zgroup" : ".zarray")] = std::move(node.document);
  all[JoinPath(relative, ".zattrs")] = std::move(node.attributes);
}

// Adds every node below `path`, named relative to the root of the walk.
Result<void> Collect(Store& store, const std::string& path, const std::string& relative, int format, int depth,
                     Json& all, const CallContext& context) {
  if (depth > kMaxGroupDepth) return base::DataLoss("groups nest deeper than 32 levels at '" + path + "'");
  SEAMOUNT_TRY_ASSIGN(const auto names, ChildNames(store, path, context));
  for (const std::string& name : names) {
    const std::string child = JoinPath(path, name);
    const std::string child_relative = JoinPath(relative, name);
    SEAMOUNT_TRY_ASSIGN(auto node, ReadNode(store, child, context));
    if (!node || node->format != format) continue;
    const bool group = node->kind == NodeKind::kGroup;
    AddNode(child_relative, *std::move(node), all);
    if (group) SEAMOUNT_TRY(Collect(store, child, child_relative, format, depth + 1, all, context));
  }
  return {};
}

Result<void> Consolidate(Store& store, const std::string& path, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(Node root, ReadGroupNode(store, path, context));
  Json all = Json::object();
  SEAMOUNT_TRY(Collect(store, path, "", root.format, 0, all, context));
  if (root.format == 3) {
    root.document["consolidated_metadata"] = Consolidation(std::move(all));
    return WriteDocument(store, JoinPath(path, "zarr.json"), DumpPrettyJson(root.document), /*overwrite=*/true,
                         context);
  }
  AddNode("", std::move(root), all);
  Json document = Json::object();
  document["zarr_consolidated_format"] = 1;
  document["metadata"] = std::move(all);
  return WriteDocument(store, JoinPath(path, ".zmetadata"), DumpPrettyJson(document), /*overwrite=*/true, context);
}

Result<void> WriteGroup(Store& store, const std::string& path, const GroupMetadata& metadata, bool overwrite,
                        const CallContext& context) {
  if (metadata.format != 2 && metadata.format != 3) return base::InvalidArgument("zarr_format must be 2 or 3");
  auto attributes = ParseJsonObject(metadata.attributes_json);
  if (!attributes) return attributes.error().Wrap("attributes");
  SEAMOUNT_TRY(ClearNode(store, path, metadata.format == 3 ? "zarr.json" : ".zgroup", overwrite, context));
  Json document = Json::object();
  document["zarr_format"] = metadata.format;
  if (metadata.format == 3) {
    document["node_type"] = "group";
    document["attributes"] = *std::move(attributes);
    return WriteDocument(store, JoinPath(path, "zarr.json"), DumpPrettyJson(document), overwrite, context);
  }
  SEAMOUNT_TRY(WriteDocument(store, JoinPath(path, ".zattrs"), DumpPrettyJson(*attributes), true, context));
  return WriteDocument(store, JoinPath(path, ".zgroup"), DumpPrettyJson(document), overwrite, context);
}

}  // namespace

Result<void> CreateGroup(Store& store, const std::string& path, const GroupMetadata& metadata, bool overwrite,
                         const CallContext& context) {
  auto written = WriteGroup(store, path, metadata, overwrite, context);
  if (!written) return written.error().Wrap("creating the Zarr group '" + path + "'");
  return {};
}

Result<GroupMetadata> OpenGroup(Store& store, const std::string& path, const CallContext& context) {
  const auto node = ReadGroupNode(store, path, context);
  if (!node) return node.error().Wrap("opening the Zarr group '" + path + "'");
  GroupMetadata metadata{.format = node->format, .generation = node->generation};
  const Json attributes = node->format == 2 ? node->attributes : node->document.value("attributes", Json::object());
  if (attributes.is_object()) metadata.attributes_json = DumpJson(attributes);
  return metadata;
}

Result<std::vector<GroupMember>> ListMembers(Store& store, const std::string& path, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto names, ChildNames(store, path, context));
  std::vector<GroupMember> members;
  for (const std::string& name : names) {
    SEAMOUNT_TRY_ASSIGN(const auto node, ReadNode(store, JoinPath(path, name), context));
    if (node) members.push_back({name, node->kind});
  }
  return members;
}

Result<void> ConsolidateMetadata(Store& store, const std::string& path, const CallContext& context) {
  auto done = Consolidate(store, path, context);
  if (!done) return done.error().Wrap("consolidating the metadata of '" + path + "'");
  return {};
}

}  // namespace seamount::zarr
