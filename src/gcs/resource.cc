#include "gcs/resource.h"

#include <array>
#include <utility>

namespace seamount::gcs {
namespace {

using Field = std::pair<const char*, std::string store::ContentHeaders::*>;
constexpr std::array<Field, 4> kHeaders = {{{"cacheControl", &store::ContentHeaders::cache_control},
                                            {"contentDisposition", &store::ContentHeaders::content_disposition},
                                            {"contentEncoding", &store::ContentHeaders::content_encoding},
                                            {"contentLanguage", &store::ContentHeaders::content_language}}};

}  // namespace

store::ObjectInfo InfoOf(ObjectResource resource) {
  if (resource.created != base::SystemTime()) resource.info.updated = resource.created;
  for (const auto& [name, member] : kHeaders) {
    const auto it = resource.other.find(name);
    if (it != resource.other.end()) resource.info.headers.*member = std::move(it->second);
  }
  return std::move(resource.info);
}

ObjectPatch PatchOf(const store::WriteOptions& options) {
  ObjectPatch patch{.content_type = options.content_type, .other = FieldsOf(options.headers, /*clear=*/false)};
  if (!options.metadata.empty()) {
    auto& metadata = patch.metadata.emplace();
    for (const auto& [name, value] : options.metadata) metadata.emplace(name, value);
  }
  return patch;
}

std::map<std::string, std::optional<std::string>> FieldsOf(const store::ContentHeaders& headers, bool clear) {
  std::map<std::string, std::optional<std::string>> fields;
  for (const auto& [name, member] : kHeaders) {
    const std::string& value = headers.*member;
    if (!value.empty()) {
      fields.emplace(name, value);
    } else if (clear) {
      fields.emplace(name, std::nullopt);
    }
  }
  return fields;
}

}  // namespace seamount::gcs
