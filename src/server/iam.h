// Who may do what. Roles map to the permissions that Google Cloud documents for them; a bucket's policy binds roles to
// members, perhaps under a condition; a narrowed token has no more than its access boundary leaves. Authorize is the
// one function that decides, and what nothing grants is denied.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "server/condition.h"

namespace seamount::server {

// https://cloud.google.com/iam/docs/downscoping-short-lived-credentials
struct BoundaryRule {
  std::string bucket;
  std::vector<std::string> roles;
  std::shared_ptr<const Condition> condition;  // null: none
};
using Boundary = std::vector<BoundaryRule>;

// Who makes a request. An empty email is anonymous.
struct Identity {
  std::string email;
  bool is_admin = false;    // the administrator made at first start: everything, on every bucket
  std::string account;      // the account's unique id: one made anew under an old email is another
  bool reads_only = false;  // its token was asked for with a scope that is for reading alone
  std::shared_ptr<const Boundary> boundary = nullptr;  // its token has rights within it alone; null: all of the account
  std::string key_id = "";                             // that its token was made with
  bool acting = false;                                 // that key is of another account, which acts as this one
  bool anonymous() const { return email.empty(); }
};

struct BindingCondition {
  std::string title;
  std::string description;
  std::string expression;
  std::shared_ptr<const Condition> parsed;
};

struct Binding {
  std::string role;
  std::vector<std::string> members;  // "serviceAccount:<email>", "allUsers", "allAuthenticatedUsers", DeletedMember
  std::optional<BindingCondition> condition = std::nullopt;
};

struct Policy {
  std::vector<Binding> bindings;
  uint64_t version = 0;  // counts changes; its etag
  // The bucket's publicAccessPrevention is enforced: allUsers and allAuthenticatedUsers have nothing by the bindings.
  bool prevents_public = false;
  bool conditional() const;  // whether a binding has a condition
};

// What is asked for.
struct Access {
  const Policy* policy = nullptr;  // the bucket's; null for what belongs to no bucket, which is the administrator's
  std::string bucket;
  std::string object;        // empty: the bucket itself
  std::string list_prefix;   // of a listing
  bool some_object = false;  // whether there could be an object with the right; the handler asks again for its own
  base::SystemTime now;
};

// The email of "serviceAccount:<email>"; nullopt for any other member.
std::optional<std::string> EmailOfMember(std::string_view member);
// What a policy says of an account that was deleted, as Google's do: nobody has the rights of such a member.
std::string DeletedMember(const std::string& email, const std::string& unique_id);

bool IsPublic(std::string_view member);

// Of permissions, those that a token for reading alone can have.
bool IsReading(std::string_view permission);

bool Authorize(const Identity& identity, std::string_view permission, const Access& access);

bool IsRole(std::string_view name);

// InvalidArgument, naming what is wrong, unless every role and member is one that this server knows.
Result<void> CheckPolicy(const Policy& policy);

// Account names are 6..30 characters, as Google's are: they come back as the first part of the email.
Result<void> CheckAccountId(const std::string& id);
Result<void> CheckBucketName(const std::string& name);

}  // namespace seamount::server
