// Who may do what. Roles map to the permissions that Google Cloud documents for them; a bucket's policy binds roles to
// members; Authorize is the one function that decides, and what nothing grants is denied.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace seamount::server {

// Who makes a request. An empty email is anonymous.
struct Identity {
  std::string email;
  bool is_admin = false;  // the administrator made at first start: everything, on every bucket
  bool anonymous() const { return email.empty(); }
};

struct Binding {
  std::string role;
  std::vector<std::string> members;  // "serviceAccount:<email>", "allUsers", "allAuthenticatedUsers"
};

struct Policy {
  std::vector<Binding> bindings;
  uint64_t version = 0;  // counts changes; its etag
};

// `policy` is the bucket's, null for what belongs to no bucket (making one, IAM itself), which is the administrator's.
bool Authorize(const Identity& identity, std::string_view permission, const Policy* policy);

// InvalidArgument, naming what is wrong, unless every role and member is one that this server knows.
Result<void> CheckPolicy(const Policy& policy);

// Account names are 6..30 characters, as Google's are: they come back as the first part of the email.
Result<void> CheckAccountId(const std::string& id);
Result<void> CheckBucketName(const std::string& name);

}  // namespace seamount::server
