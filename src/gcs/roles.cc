#include "gcs/roles.h"

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace seamount::gcs {
namespace {

constexpr Rights kObjects = kMayRead | kMayList | kMayCreate | kMayDelete | kMayUpdate;
constexpr Rights kEverything = kObjects | kMayAdminister;

struct KnownRole {
  std::string_view nickname, name;
  Rights rights;
};
// The first of each name is what a nickname means.
constexpr std::array<KnownRole, 12> kKnown = {{
    {"reader", "roles/storage.objectViewer", kMayRead | kMayList},
    {"viewer", "roles/storage.objectViewer", kMayRead | kMayList},
    {"creator", "roles/storage.objectCreator", kMayCreate},
    {"writer", "roles/storage.objectUser", kObjects},
    {"admin", "roles/storage.admin", kEverything},
    {"", "roles/storage.objectAdmin", kObjects},
    {"", "roles/storage.bucketViewer", 0},
    {"", "roles/storage.legacyBucketReader", kMayList},
    {"", "roles/storage.legacyBucketWriter", kMayList | kMayCreate | kMayDelete},
    {"", "roles/storage.legacyBucketOwner", kMayList | kMayCreate | kMayDelete | kMayAdminister},
    {"", "roles/storage.legacyObjectReader", kMayRead},
    {"", "roles/storage.legacyObjectOwner", kMayRead | kMayUpdate},
}};

std::string LastPart(const std::string& name) { return name.substr(name.find_last_of("/.") + 1); }

}  // namespace

std::string Describe(Rights rights) {
  std::vector<std::string> verbs;
  for (const NamedRight& named : kRights) {
    if ((rights & named.right) != 0) verbs.emplace_back(named.verb);
  }
  if (verbs.empty()) return "nothing";
  if (verbs.size() == 1) return verbs.front();
  const std::string last = verbs.back();
  verbs.pop_back();
  return base::Join(verbs, ", ") + " and " + last;
}

Result<Role> FindRole(const std::string& text) {
  for (const KnownRole& known : kKnown) {
    if (text != known.name && (known.nickname.empty() || text != known.nickname)) continue;
    // The first of that name: a viewer is a reader.
    const auto first =
        std::find_if(kKnown.begin(), kKnown.end(), [&](const auto& one) { return one.name == known.name; });
    const std::string nickname(first->nickname.empty() ? LastPart(std::string(known.name)) : first->nickname);
    return Role{.name = std::string(known.name), .nickname = nickname, .rights = known.rights, .known = true};
  }
  if (text.find("roles/") != std::string::npos) {
    return Role{.name = text, .nickname = LastPart(text), .rights = kEverything};
  }
  const std::vector<std::string> names = {"reader", "viewer", "creator", "writer", "admin"};
  return base::InvalidArgument("role '" + text + "'" + base::NameHint(text, names) +
                               " (expected reader, creator, writer, admin, or a role's full name, as "
                               "roles/storage.objectViewer)");
}

}  // namespace seamount::gcs
