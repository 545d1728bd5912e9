// Reading the fields of credential files. Needs nlohmann/json.hpp: for this module's .cc files only.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace seamount::auth {

inline Error BadCredential(const std::string& name, const std::string& what) {
  return base::InvalidArgument("key file '" + name + "': " + what);
}

inline Result<nlohmann::json> ParseCredential(std::string_view text, const std::string& name) {
  nlohmann::json object = nlohmann::json::parse(text, nullptr, false);
  if (object.is_discarded()) return BadCredential(name, "is not JSON (expected a service-account key)");
  if (!object.is_object()) return BadCredential(name, "is not a JSON object (expected a service-account key)");
  return object;
}

// A field that must be there, printable and not empty. Line breaks are allowed in keys only.
inline Result<std::string> CredentialField(const nlohmann::json& object, const char* field, const std::string& name,
                                           bool lines = false) {
  const auto found = object.find(field);
  const std::string quoted = std::string("field '") + field + "'";
  if (found == object.end()) return BadCredential(name, quoted + " is missing");
  if (!found->is_string()) return BadCredential(name, quoted + " is not a string");
  auto text = found->get<std::string>();
  if (text.empty()) return BadCredential(name, quoted + " is empty");
  for (const char c : text) {
    const bool line_break = c == '\n' || c == '\r';
    if ((static_cast<unsigned char>(c) < ' ' && !(lines && line_break)) || c == 0x7f) {
      return BadCredential(name, quoted + " holds a control character");
    }
  }
  return text;
}

}  // namespace seamount::auth
