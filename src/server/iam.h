// Who may do what. Roles map to the permissions that Google Cloud documents for them; a bucket's policy binds roles to
// members; Authorize is the one function that decides, and what nothing grants is denied.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace seamount::server {

// Who makes a request. An empty email is anonymous.
struct Identity {
  std::string email;
  bool is_admin = false;    // the administrator made at first start: everything, on every bucket
  std::string account;      // the account's unique id: one made anew under an old email is another
  bool reads_only = false;  // its token was asked for with a scope that is for reading alone
  bool anonymous() const { return email.empty(); }
};

struct Binding {
  std::string role;
  std::vector<std::string> members;  // "serviceAccount:<email>", "allUsers", "allAuthenticatedUsers", DeletedMember
};

struct Policy {
  std::vector<Binding> bindings;
  uint64_t version = 0;  // counts changes; its etag
  // The bucket's publicAccessPrevention is enforced: allUsers and allAuthenticatedUsers have nothing by the bindings.
  bool prevents_public = false;
};

// The email of "serviceAccount:<email>"; nullopt for any other member.
std::optional<std::string> EmailOfMember(std::string_view member);
// What a policy says of an account that was deleted, as Google's do: nobody has the rights of such a member.
std::string DeletedMember(const std::string& email, const std::string& unique_id);

bool IsPublic(std::string_view member);

// Of permissions, those that a token for reading alone can have.
bool IsReading(std::string_view permission);

// `policy` is the bucket's, null for what belongs to no bucket (making one, IAM itself), which is the administrator's.
bool Authorize(const Identity& identity, std::string_view permission, const Policy* policy);

// InvalidArgument, naming what is wrong, unless every role and member is one that this server knows.
Result<void> CheckPolicy(const Policy& policy);

// Account names are 6..30 characters, as Google's are: they come back as the first part of the email.
Result<void> CheckAccountId(const std::string& id);
Result<void> CheckBucketName(const std::string& name);

}  // namespace seamount::server
