#include "gcs/wire.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "base/json_depth.h"

namespace seamount::gcs {
namespace {

using Json = nlohmann::json;

// Fields of an object resource that are plain text to us and are handed through.
constexpr std::array<std::string_view, 6> kOtherFields = {"cacheControl",    "contentEncoding", "contentDisposition",
                                                          "contentLanguage", "customTime",      "storageClass"};

// Text that is not UTF-8 (a server's broken message, say) is written with replacement characters instead of failing.
std::string Dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Result<Json> ParseJsonObject(std::string_view text, std::string_view what) {
  if (base::NestsDeeper(text)) return base::InvalidArgument(std::string(what) + ": nested deeper than 64 levels");
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.is_object()) {
    return base::InvalidArgument(std::string(what) + ": not a JSON object");
  }
  return json;
}

// A member, or nullptr when it is absent or null.
const Json* Member(const Json& json, const char* name) {
  const auto it = json.find(name);
  return it == json.end() || it->is_null() ? nullptr : &*it;
}

bool IsNull(const Json& json, const char* name) {
  const auto it = json.find(name);
  return it != json.end() && it->is_null();
}

Error WrongType(std::string_view what, std::string_view field, std::string_view expected) {
  return base::InvalidArgument(std::string(what) + ": field '" + std::string(field) + "' is not " +
                               std::string(expected));
}

Result<std::optional<std::string>> OptionalText(const Json& json, const char* name, std::string_view what) {
  const Json* member = Member(json, name);
  if (member == nullptr) return std::optional<std::string>();
  if (!member->is_string()) return WrongType(what, name, "a string");
  return std::optional<std::string>(member->get_ref<const std::string&>());
}

Result<std::string> Text(const Json& json, const char* name, std::string_view what) {
  SEAMOUNT_TRY_ASSIGN(auto text, OptionalText(json, name, what));
  return std::move(text).value_or("");
}

// The API writes 64-bit integers as strings; some other servers write numbers.
Result<std::optional<uint64_t>> OptionalUint(const Json& json, const char* name, std::string_view what) {
  const Json* member = Member(json, name);
  if (member == nullptr) return std::optional<uint64_t>();
  if (member->is_number_unsigned()) return std::optional<uint64_t>(member->get<uint64_t>());
  if (member->is_string()) {
    if (const auto value = ParseUint(member->get_ref<const std::string&>())) return std::optional<uint64_t>(*value);
  }
  return WrongType(what, name, "a non-negative integer");
}

Result<base::SystemTime> Time(const Json& json, const char* name, std::string_view what) {
  SEAMOUNT_TRY_ASSIGN(const auto text, OptionalText(json, name, what));
  if (!text) return base::SystemTime();
  auto time = ParseTime(*text);
  if (!time) return time.error().Wrap(std::string(what) + ": field '" + name + "'");
  return *time;
}

Result<std::optional<uint32_t>> Crc32c(const Json& json, std::string_view what) {
  SEAMOUNT_TRY_ASSIGN(const auto text, OptionalText(json, "crc32c", what));
  if (!text) return std::optional<uint32_t>();
  const auto value = base::Crc32cFromBase64(*text);
  if (!value) return WrongType(what, "crc32c", "a base64 CRC32C");
  return std::optional<uint32_t>(*value);
}

Result<std::map<std::string, std::string>> Others(const Json& json, std::string_view what) {
  std::map<std::string, std::string> others;
  for (const std::string_view name : kOtherFields) {
    SEAMOUNT_TRY_ASSIGN(auto text, OptionalText(json, name.data(), what));
    if (text) others.emplace(name, *std::move(text));
  }
  return others;
}

Json ObjectJson(const ObjectResource& object) {
  const store::ObjectInfo& info = object.info;
  const std::string& generation = info.generation.text();
  Json json = {{"kind", "storage#object"},
               {"id", object.bucket + "/" + info.key + "/" + generation},
               {"name", info.key},
               {"bucket", object.bucket},
               {"generation", generation},
               {"metageneration", std::to_string(object.metageneration)},
               {"size", std::to_string(info.size_bytes)},
               {"timeCreated", FormatTime(object.created)},
               {"updated", FormatTime(info.updated)},
               {"timeFinalized", FormatTime(object.created)},
               {"timeStorageClassUpdated", FormatTime(object.created)},
               {"storageClass", "STANDARD"}};
  if (!info.content_type.empty()) json["contentType"] = info.content_type;
  if (info.crc32c) json["crc32c"] = base::Crc32cToBase64(*info.crc32c);
  if (!object.md5_base64.empty()) json["md5Hash"] = object.md5_base64;
  if (!object.etag.empty()) json["etag"] = object.etag;
  if (!object.self_link.empty()) json["selfLink"] = object.self_link;
  if (!object.media_link.empty()) json["mediaLink"] = object.media_link;
  if (!info.metadata.empty()) json["metadata"] = info.metadata;
  for (const auto& [name, value] : object.other) json[name] = value;
  return json;
}

Result<ObjectResource> ObjectOfJson(const Json& json) {
  constexpr std::string_view kWhat = "object resource";
  if (!json.is_object()) return base::InvalidArgument("object resource: not a JSON object");
  ObjectResource object;
  SEAMOUNT_TRY_ASSIGN(object.info.key, Text(json, "name", kWhat));
  if (object.info.key.empty()) return base::InvalidArgument("object resource: no field 'name'");
  SEAMOUNT_TRY_ASSIGN(object.bucket, Text(json, "bucket", kWhat));
  SEAMOUNT_TRY_ASSIGN(const auto size, OptionalUint(json, "size", kWhat));
  SEAMOUNT_TRY_ASSIGN(const auto generation, OptionalUint(json, "generation", kWhat));
  if (generation.value_or(0) == 0) {
    return base::InvalidArgument("object resource '" + object.info.key + "': no field 'generation'");
  }
  object.info.size_bytes = size.value_or(0);  // some servers leave out what is zero
  object.info.generation = GenerationOf(*generation);
  SEAMOUNT_TRY_ASSIGN(const auto metageneration, OptionalUint(json, "metageneration", kWhat));
  object.metageneration = metageneration.value_or(1);
  SEAMOUNT_TRY_ASSIGN(object.info.crc32c, Crc32c(json, kWhat));
  SEAMOUNT_TRY_ASSIGN(object.info.updated, Time(json, "updated", kWhat));
  SEAMOUNT_TRY_ASSIGN(object.created, Time(json, "timeCreated", kWhat));
  SEAMOUNT_TRY_ASSIGN(object.info.content_type, Text(json, "contentType", kWhat));
  SEAMOUNT_TRY_ASSIGN(object.md5_base64, Text(json, "md5Hash", kWhat));
  SEAMOUNT_TRY_ASSIGN(object.etag, Text(json, "etag", kWhat));
  SEAMOUNT_TRY_ASSIGN(object.self_link, Text(json, "selfLink", kWhat));
  SEAMOUNT_TRY_ASSIGN(object.media_link, Text(json, "mediaLink", kWhat));
  SEAMOUNT_TRY_ASSIGN(object.other, Others(json, kWhat));
  if (const Json* metadata = Member(json, "metadata")) {
    if (!metadata->is_object()) return WrongType(kWhat, "metadata", "an object");
    for (const auto& [name, value] : metadata->items()) {
      if (!value.is_string()) return WrongType(kWhat, "metadata." + name, "a string");
      object.info.metadata.emplace(name, value.get_ref<const std::string&>());
    }
  }
  return object;
}

Json PatchJson(const ObjectPatch& patch) {
  Json json = Json::object();
  if (!patch.name.empty()) json["name"] = patch.name;
  if (patch.content_type) json["contentType"] = *patch.content_type;
  if (patch.crc32c) json["crc32c"] = base::Crc32cToBase64(*patch.crc32c);
  if (patch.md5_base64) json["md5Hash"] = *patch.md5_base64;
  for (const auto& [name, value] : patch.other) json[name] = value ? Json(*value) : Json();
  if (patch.clears_metadata) json["metadata"] = nullptr;
  if (patch.metadata) {
    Json& metadata = json["metadata"] = Json::object();
    for (const auto& [name, value] : *patch.metadata) metadata[name] = value ? Json(*value) : Json();
  }
  return json;
}

Result<ObjectPatch> PatchOfJson(const Json& json) {
  constexpr std::string_view kWhat = "object metadata";
  ObjectPatch patch;
  SEAMOUNT_TRY_ASSIGN(patch.name, Text(json, "name", kWhat));
  SEAMOUNT_TRY_ASSIGN(patch.content_type, OptionalText(json, "contentType", kWhat));
  if (IsNull(json, "contentType")) patch.content_type = "";
  SEAMOUNT_TRY_ASSIGN(patch.crc32c, Crc32c(json, kWhat));
  SEAMOUNT_TRY_ASSIGN(patch.md5_base64, OptionalText(json, "md5Hash", kWhat));
  SEAMOUNT_TRY_ASSIGN(const auto others, Others(json, kWhat));
  patch.other = {others.begin(), others.end()};
  for (const std::string_view name : kOtherFields)
    if (IsNull(json, name.data())) patch.other.emplace(name, std::nullopt);
  patch.clears_metadata = IsNull(json, "metadata");
  if (const Json* metadata = Member(json, "metadata")) {
    if (!metadata->is_object()) return WrongType(kWhat, "metadata", "an object");
    auto& entries = patch.metadata.emplace();
    for (const auto& [name, value] : metadata->items()) {
      if (value.is_null()) {
        entries.emplace(name, std::nullopt);
      } else if (value.is_string()) {
        entries.emplace(name, value.get_ref<const std::string&>());
      } else {
        return WrongType(kWhat, "metadata." + name, "a string or null");
      }
    }
  }
  return patch;
}

}  // namespace

std::string EncodeObject(const ObjectResource& object) { return Dump(ObjectJson(object)); }

Result<ObjectResource> DecodeObject(std::string_view json) {
  SEAMOUNT_TRY_ASSIGN(const Json parsed, ParseJsonObject(json, "object resource"));
  return ObjectOfJson(parsed);
}

std::string EncodePatch(const ObjectPatch& patch) { return Dump(PatchJson(patch)); }

Result<ObjectPatch> DecodePatch(std::string_view json) {
  SEAMOUNT_TRY_ASSIGN(const Json parsed, ParseJsonObject(json, "object metadata"));
  return PatchOfJson(parsed);
}

std::string EncodeList(const ObjectList& list) {
  Json json = {{"kind", "storage#objects"}};
  for (const ObjectResource& object : list.objects) json["items"].push_back(ObjectJson(object));
  if (!list.prefixes.empty()) json["prefixes"] = list.prefixes;
  if (!list.next_page_token.empty()) json["nextPageToken"] = list.next_page_token;
  return Dump(json);
}

Result<ObjectList> DecodeList(std::string_view json) {
  constexpr std::string_view kWhat = "object listing";
  SEAMOUNT_TRY_ASSIGN(const Json parsed, ParseJsonObject(json, kWhat));
  ObjectList list;
  SEAMOUNT_TRY_ASSIGN(list.next_page_token, Text(parsed, "nextPageToken", kWhat));
  if (const Json* items = Member(parsed, "items")) {
    if (!items->is_array()) return WrongType(kWhat, "items", "an array");
    list.objects.reserve(items->size());
    for (const Json& item : *items) {
      SEAMOUNT_TRY_ASSIGN(auto object, ObjectOfJson(item));
      list.objects.push_back(std::move(object));
    }
  }
  if (const Json* prefixes = Member(parsed, "prefixes")) {
    if (!prefixes->is_array()) return WrongType(kWhat, "prefixes", "an array");
    for (const Json& prefix : *prefixes) {
      if (!prefix.is_string()) return WrongType(kWhat, "prefixes", "an array of strings");
      list.prefixes.push_back(prefix.get<std::string>());
    }
  }
  return list;
}

std::string EncodeCompose(const ComposeRequest& request) {
  Json json = {{"kind", "storage#composeRequest"},
               {"destination", PatchJson(request.destination)},
               {"sourceObjects", Json::array()}};
  for (const store::ComposeSource& source : request.sources) {
    Json entry = {{"name", source.key}};
    if (source.if_generation) {
      entry["objectPreconditions"] = {
          {"ifGenerationMatch", std::to_string(NumberOf(*source.if_generation).value_or(0))}};
    }
    json["sourceObjects"].push_back(std::move(entry));
  }
  return Dump(json);
}

Result<ComposeRequest> DecodeCompose(std::string_view json) {
  constexpr std::string_view kWhat = "compose request";
  SEAMOUNT_TRY_ASSIGN(const Json parsed, ParseJsonObject(json, kWhat));
  ComposeRequest request;
  if (const Json* destination = Member(parsed, "destination")) {
    if (!destination->is_object()) return WrongType(kWhat, "destination", "an object");
    SEAMOUNT_TRY_ASSIGN(request.destination, PatchOfJson(*destination));
  }
  const Json* sources = Member(parsed, "sourceObjects");
  if (sources == nullptr || !sources->is_array()) return WrongType(kWhat, "sourceObjects", "an array");
  for (const Json& entry : *sources) {
    if (!entry.is_object()) return WrongType(kWhat, "sourceObjects", "an array of objects");
    store::ComposeSource source;
    SEAMOUNT_TRY_ASSIGN(source.key, Text(entry, "name", kWhat));
    if (source.key.empty()) return base::InvalidArgument("compose request: a source without field 'name'");
    if (const Json* conditions = Member(entry, "objectPreconditions")) {
      if (!conditions->is_object()) return WrongType(kWhat, "objectPreconditions", "an object");
      SEAMOUNT_TRY_ASSIGN(const auto match, OptionalUint(*conditions, "ifGenerationMatch", kWhat));
      if (match) source.if_generation = GenerationOf(*match);
    }
    // A source may also be pinned by "generation": the same to a store that keeps one generation of each object.
    if (!source.if_generation) {
      SEAMOUNT_TRY_ASSIGN(const auto generation, OptionalUint(entry, "generation", kWhat));
      if (generation) source.if_generation = GenerationOf(*generation);
    }
    request.sources.push_back(std::move(source));
  }
  return request;
}

std::string EncodeRewrite(const RewriteStatus& status) {
  Json json = {{"kind", "storage#rewriteResponse"},
               {"totalBytesRewritten", std::to_string(status.total_bytes_rewritten)},
               {"objectSize", std::to_string(status.object_size_bytes)},
               {"done", status.done}};
  if (!status.rewrite_token.empty()) json["rewriteToken"] = status.rewrite_token;
  if (status.resource) json["resource"] = ObjectJson(*status.resource);
  return Dump(json);
}

Result<RewriteStatus> DecodeRewrite(std::string_view json) {
  constexpr std::string_view kWhat = "rewrite response";
  SEAMOUNT_TRY_ASSIGN(const Json parsed, ParseJsonObject(json, kWhat));
  RewriteStatus status;
  const Json* done = Member(parsed, "done");
  if (done == nullptr || !done->is_boolean()) return WrongType(kWhat, "done", "a boolean");
  status.done = done->get<bool>();
  SEAMOUNT_TRY_ASSIGN(const auto rewritten, OptionalUint(parsed, "totalBytesRewritten", kWhat));
  SEAMOUNT_TRY_ASSIGN(const auto size, OptionalUint(parsed, "objectSize", kWhat));
  status.total_bytes_rewritten = rewritten.value_or(0);
  status.object_size_bytes = size.value_or(0);
  SEAMOUNT_TRY_ASSIGN(status.rewrite_token, Text(parsed, "rewriteToken", kWhat));
  if (const Json* resource = Member(parsed, "resource")) {
    SEAMOUNT_TRY_ASSIGN(status.resource, ObjectOfJson(*resource));
  }
  if (status.done != status.resource.has_value()) {
    return base::InvalidArgument("rewrite response: 'done' and 'resource' do not go together");
  }
  if (!status.done && status.rewrite_token.empty()) {
    return base::InvalidArgument("rewrite response: neither done nor with a 'rewriteToken'");
  }
  return status;
}

std::string EncodeError(const WireError& error) {
  const Json entry = {{"domain", "global"}, {"reason", error.reason}, {"message", error.message}};
  return Dump({{"error", {{"code", error.status}, {"message", error.message}, {"errors", Json::array({entry})}}}});
}

WireError DecodeError(int status, std::string_view body) {
  WireError error{.status = status};
  const Json json = base::NestsDeeper(body) ? Json() : Json::parse(body, nullptr, /*allow_exceptions=*/false);
  const Json* inner = json.is_object() ? Member(json, "error") : nullptr;
  if (inner != nullptr && inner->is_object()) {
    error.message = Text(*inner, "message", "").value_or("");
    const Json* entries = Member(*inner, "errors");
    if (entries != nullptr && entries->is_array() && !entries->empty() && entries->front().is_object()) {
      error.reason = Text(entries->front(), "reason", "").value_or("");
    }
  } else {
    constexpr size_t kLongestMessage = 200;  // a proxy's HTML page says nothing more after its first line
    error.message = std::string(body.substr(0, std::min(body.find_first_of("\r\n"), kLongestMessage)));
  }
  return error;
}

}  // namespace seamount::gcs
