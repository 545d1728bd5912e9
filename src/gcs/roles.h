// What people call a role on a bucket, what the storage calls it, and which rights on objects it stands for.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/result.h"

namespace seamount::gcs {

// Rights on a bucket, as a set.
enum Right : unsigned {
  kMayRead = 1,
  kMayList = 2,
  kMayCreate = 4,
  kMayDelete = 8,  // and overwrite
  kMayUpdate = 16,
  kMayAdminister = 32,  // say who may use the bucket
};
using Rights = unsigned;

struct NamedRight {
  Right right;
  std::string_view permission;  // "storage.objects.get"
  std::string_view verb;        // "read"
};
inline constexpr std::array<NamedRight, 6> kRights = {{{kMayRead, "storage.objects.get", "read"},
                                                       {kMayList, "storage.objects.list", "list"},
                                                       {kMayCreate, "storage.objects.create", "create"},
                                                       {kMayDelete, "storage.objects.delete", "overwrite and delete"},
                                                       {kMayUpdate, "storage.objects.update", "change attributes"},
                                                       {kMayAdminister, "storage.buckets.setIamPolicy", "administer"}}};
// "read, list and create"; "nothing".
std::string Describe(Rights rights);

struct Role {
  std::string name;      // "roles/storage.objectViewer"
  std::string nickname;  // "reader": of accounts that are named after it
  Rights rights = 0;     // what it gives; everything for a role that is not known here
  bool known = false;
};

// From reader (or viewer), creator, writer, admin, or a role by its full name ("roles/…", "projects/…/roles/…").
// InvalidArgument lists them.
Result<Role> FindRole(const std::string& text);

}  // namespace seamount::gcs
