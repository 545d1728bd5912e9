#include "auth/credential_fields.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json_depth.h"

namespace seamount::auth {
namespace {

// Real ones have about 2.4 KiB.
constexpr size_t kMaxBytes = 64 << 10;

}  // namespace

Error BadCredential(const std::string& name, const std::string& what) {
  return base::InvalidArgument("key file '" + name + "': " + what);
}

Result<CredentialFields> CredentialFields::Parse(std::string_view json, const std::string& name) {
  if (json.size() > kMaxBytes) return BadCredential(name, "is larger than 64 KiB (expected a service-account key)");
  if (base::NestsDeeper(json)) {
    return BadCredential(name, "is nested deeper than 64 levels (expected a service-account key)");
  }
  const nlohmann::json object = nlohmann::json::parse(json, nullptr, false);
  if (object.is_discarded()) return BadCredential(name, "is not JSON (expected a service-account key)");
  if (!object.is_object()) return BadCredential(name, "is not a JSON object (expected a service-account key)");
  CredentialFields fields;
  fields.name_ = name;
  for (const auto& [field, value] : object.items()) {
    auto text = value.is_string() ? std::optional(value.get<std::string>()) : std::nullopt;
    fields.fields_.emplace(field, std::move(text));
    const auto is_text = [](const nlohmann::json& entry) { return entry.is_string(); };
    if (value.is_array() && std::all_of(value.begin(), value.end(), is_text)) {
      fields.lists_.emplace(field, value.get<std::vector<std::string>>());
    }
    if (value.is_object())
      fields.objects_.emplace(field, Secret(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
    if (value.is_number_integer()) fields.numbers_.emplace(field, value.get<int64_t>());
  }
  return fields;
}

Result<std::vector<std::string>> CredentialFields::GetList(const std::string& field) const {
  if (!fields_.contains(field)) return std::vector<std::string>();
  const auto found = lists_.find(field);
  if (found == lists_.end()) return BadCredential(name_, "field '" + field + "' is not a list of strings");
  return found->second;
}

Result<Secret> CredentialFields::GetJson(const std::string& field) const {
  if (!fields_.contains(field)) return BadCredential(name_, "field '" + field + "' is missing");
  const auto found = objects_.find(field);
  if (found == objects_.end()) return BadCredential(name_, "field '" + field + "' is not a JSON object");
  return found->second;
}

Result<CredentialFields> CredentialFields::GetObject(const std::string& field) const {
  SEAMOUNT_TRY_ASSIGN(const Secret json, GetJson(field));
  return Parse(json.Reveal(), name_);
}

std::optional<int64_t> CredentialFields::GetNumber(const std::string& field) const {
  const auto found = numbers_.find(field);
  if (found == numbers_.end()) return std::nullopt;
  return found->second;
}

std::vector<std::string> CredentialFields::Names() const {
  std::vector<std::string> names;
  for (const auto& [field, value] : fields_) names.push_back(field);
  return names;
}

Result<std::string> CredentialFields::Find(const std::string& field, bool lines) const {
  const std::string quoted = "field '" + field + "'";
  const auto found = fields_.find(field);
  if (found == fields_.end()) return BadCredential(name_, quoted + " is missing");
  if (!found->second) return BadCredential(name_, quoted + " is not a string");
  const std::string& text = *found->second;
  if (text.empty()) return BadCredential(name_, quoted + " is empty");
  for (const char c : text) {
    const bool line_break = c == '\n' || c == '\r';
    if ((static_cast<unsigned char>(c) < ' ' && !(lines && line_break)) || c == 0x7f) {
      return BadCredential(name_, quoted + " holds a control character");
    }
  }
  return text;
}

}  // namespace seamount::auth
