// The fields of a credential file. Errors name file and field, never a value.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/token_source.h"
#include "base/result.h"

namespace seamount::auth {

// InvalidArgument("key file 'NAME': WHAT").
Error BadCredential(const std::string& name, const std::string& what);

class CredentialFields {
 public:
  // `name` is the file, for messages. At most 64 KiB.
  static Result<CredentialFields> Parse(std::string_view json, const std::string& name);
  bool Has(const std::string& field) const { return fields_.contains(field); }
  // A text that must be there, printable and not empty. Line breaks are allowed in PEM keys only.
  Result<std::string> Get(const std::string& field) const { return Find(field, false); }
  Result<std::string> GetPem(const std::string& field) const { return Find(field, true); }
  // A list of texts; empty where the field is not there.
  Result<std::vector<std::string>> GetList(const std::string& field) const;
  // An object that must be there, taken apart.
  Result<CredentialFields> GetObject(const std::string& field) const;
  // Its text, as JSON.
  Result<Secret> GetJson(const std::string& field) const;
  // A whole number; nothing where there is none.
  std::optional<int64_t> GetNumber(const std::string& field) const;
  std::vector<std::string> Names() const;

 private:
  Result<std::string> Find(const std::string& field, bool lines) const;

  std::string name_;
  std::map<std::string, std::optional<std::string>> fields_;  // nullopt: not a string
  std::map<std::string, std::vector<std::string>> lists_;     // those that hold nothing but strings
  std::map<std::string, Secret> objects_;                     // as JSON
  std::map<std::string, int64_t> numbers_;
};

}  // namespace seamount::auth
