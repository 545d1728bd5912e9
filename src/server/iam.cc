#include "server/iam.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/text.h"

namespace seamount::server {
namespace {

struct Role {
  std::string_view name;
  std::vector<std::string_view> permissions;  // "storage.objects.*" stands for all of that resource
};

// https://cloud.google.com/storage/docs/access-control/iam-roles, as far as this server has the operations.
const std::vector<Role>& Roles() {
  static const std::vector<Role> roles = {
      {"roles/storage.objectViewer", {"storage.objects.get", "storage.objects.list"}},
      {"roles/storage.objectCreator", {"storage.objects.create"}},
      {"roles/storage.objectUser",
       {"storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list",
        "storage.objects.update"}},
      {"roles/storage.objectAdmin", {"storage.objects.*"}},
      {"roles/storage.admin", {"storage.objects.*", "storage.buckets.*"}},
      {"roles/storage.bucketViewer", {"storage.buckets.get", "storage.buckets.list"}},
      {"roles/storage.legacyBucketReader", {"storage.buckets.get", "storage.objects.list"}},
      {"roles/storage.legacyBucketWriter",
       {"storage.buckets.get", "storage.objects.list", "storage.objects.create", "storage.objects.delete"}},
      {"roles/storage.legacyBucketOwner",
       {"storage.buckets.get", "storage.buckets.getIamPolicy", "storage.buckets.setIamPolicy", "storage.buckets.update",
        "storage.objects.list", "storage.objects.create", "storage.objects.delete"}},
      {"roles/storage.legacyObjectReader", {"storage.objects.get"}},
      {"roles/storage.legacyObjectOwner", {"storage.objects.get", "storage.objects.update"}},
  };
  return roles;
}

const Role* FindRole(std::string_view name) {
  const auto& roles = Roles();
  const auto found = std::find_if(roles.begin(), roles.end(), [&](const Role& role) { return role.name == name; });
  return found == roles.end() ? nullptr : &*found;
}

bool Grants(const Role& role, std::string_view permission) {
  return std::any_of(role.permissions.begin(), role.permissions.end(), [&](std::string_view granted) {
    if (!granted.ends_with(".*")) return granted == permission;
    return permission.starts_with(granted.substr(0, granted.size() - 1));
  });
}

bool GrantsRole(std::string_view name, std::string_view permission) {
  const Role* role = FindRole(name);
  return role != nullptr && Grants(*role, permission);
}

// Whether `condition` (null: none) lets it be.
bool Holds(const Condition* condition, const Access& access) {
  if (condition == nullptr || access.some_object) return true;
  const std::string bucket = "projects/_/buckets/" + access.bucket;
  if (access.object.empty())
    return condition->Holds({bucket, "storage.googleapis.com/Bucket", access.list_prefix, access.now});
  return condition->Holds({bucket + "/objects/" + access.object, "storage.googleapis.com/Object", "", access.now});
}

bool IsMember(const Identity& identity, const std::string& member, bool prevents_public) {
  if (prevents_public && IsPublic(member)) return false;
  if (member == "allUsers") return true;
  if (identity.anonymous()) return false;
  return member == "allAuthenticatedUsers" || member == "serviceAccount:" + identity.email;
}

bool IsLowerAlphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

}  // namespace

std::optional<std::string> EmailOfMember(std::string_view member) {
  constexpr std::string_view kAccount = "serviceAccount:";
  if (!member.starts_with(kAccount)) return std::nullopt;
  return std::string(member.substr(kAccount.size()));
}

std::string DeletedMember(const std::string& email, const std::string& unique_id) {
  return "deleted:serviceAccount:" + email + "?uid=" + unique_id;
}

bool IsPublic(std::string_view member) { return member == "allUsers" || member == "allAuthenticatedUsers"; }

// What Google's devstorage.read_only covers: data and names, not who has which rights.
bool IsReading(std::string_view permission) {
  return permission == "storage.objects.get" || permission == "storage.objects.list" ||
         permission == "storage.buckets.get" || permission == "storage.buckets.list";
}

bool Policy::conditional() const {
  return std::any_of(bindings.begin(), bindings.end(), [](const Binding& binding) { return binding.condition; });
}

namespace {

bool Leaves(const Boundary& boundary, std::string_view permission, const Access& access) {
  return std::any_of(boundary.begin(), boundary.end(), [&](const BoundaryRule& rule) {
    return access.policy != nullptr && rule.bucket == access.bucket &&
           std::any_of(rule.roles.begin(), rule.roles.end(),
                       [&](const std::string& role) { return GrantsRole(role, permission); }) &&
           Holds(rule.condition.get(), access);
  });
}

}  // namespace

bool Authorize(const Identity& identity, std::string_view permission, const Access& access) {
  if (identity.reads_only && !IsReading(permission)) return false;
  if (identity.boundary && !Leaves(*identity.boundary, permission, access)) return false;
  if (identity.is_admin) return true;
  const Policy* policy = access.policy;
  if (!policy) return false;
  return std::any_of(policy->bindings.begin(), policy->bindings.end(), [&](const Binding& binding) {
    const bool member = std::any_of(binding.members.begin(), binding.members.end(), [&](const std::string& name) {
      return IsMember(identity, name, policy->prevents_public);
    });
    return member && GrantsRole(binding.role, permission) &&
           Holds(binding.condition ? binding.condition->parsed.get() : nullptr, access);
  });
}

bool IsRole(std::string_view name) { return FindRole(name) != nullptr; }

Result<void> CheckPolicy(const Policy& policy) {
  std::vector<std::string> names;
  for (const Role& role : Roles()) names.emplace_back(role.name);
  for (const Binding& binding : policy.bindings) {
    if (!FindRole(binding.role))
      return base::InvalidArgument("role '" + binding.role + "' is not supported" +
                                   base::NameHint(binding.role, names));
    for (const std::string& member : binding.members) {
      if (IsPublic(member) && binding.condition)
        return base::InvalidArgument("a binding of '" + member + "' can have no condition");
      if (IsPublic(member) || EmailOfMember(member) || member.starts_with("deleted:serviceAccount:")) continue;
      return base::InvalidArgument("member '" + member +
                                   "' is not supported (expected serviceAccount:<email>, allUsers or "
                                   "allAuthenticatedUsers)");
    }
  }
  return {};
}

Result<void> CheckAccountId(const std::string& id) {
  const bool good = id.size() >= 6 && id.size() <= 30 && id.front() >= 'a' && id.front() <= 'z' && id.back() != '-' &&
                    std::all_of(id.begin(), id.end(), [](char c) { return IsLowerAlphanumeric(c) || c == '-'; });
  if (good) return {};
  return base::InvalidArgument("account name '" + id +
                               "' (expected 6 to 30 lower-case letters, digits and hyphens, beginning with a letter)");
}

Result<void> CheckBucketName(const std::string& name) {
  // The first parts of this server's own paths: such a bucket could not be told from them in /bucket/object URLs.
  static constexpr std::array<std::string_view, 8> kReserved = {"batch",      "download", "health", "resumable",
                                                                "retry_test", "storage",  "token",  "upload"};
  const bool good = name.size() >= 3 && name.size() <= 222 && IsLowerAlphanumeric(name.front()) &&
                    IsLowerAlphanumeric(name.back()) && name.find("..") == std::string::npos &&
                    std::all_of(name.begin(), name.end(),
                                [](char c) { return IsLowerAlphanumeric(c) || c == '-' || c == '_' || c == '.'; });
  if (!good)
    return base::InvalidArgument("bucket name '" + name +
                                 "' (expected 3 to 222 lower-case letters, digits, '-', '_' and '.', beginning and "
                                 "ending with a letter or digit)");
  if (std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end())
    return base::InvalidArgument("bucket name '" + name + "' is reserved by this server");
  return {};
}

}  // namespace seamount::server
