#include "vfs/listing.h"

#include <algorithm>
#include <map>

#include "vfs/names.h"

namespace seamount::vfs {

bool Listing::SpeaksOf(std::string_view name) const {
  name = WithoutMark(name);
  // All that makes a name an object or a folder lies between the key "name" and the prefix "name/".
  return name >= from && (!last || std::string(name) + "/" <= *last);
}

void Listing::Hold(std::vector<DirectoryEntry> found) {
  entries = std::move(found);
  newest = base::SystemTime::min();
  for (const DirectoryEntry& entry : entries) newest = std::max(newest, entry.info().updated);
}

const DirectoryEntry* Listing::Find(std::string_view name) const {
  const auto it = std::lower_bound(entries.begin(), entries.end(), name,
                                   [](const DirectoryEntry& entry, std::string_view n) { return entry.name < n; });
  return it != entries.end() && it->name == name ? &*it : nullptr;
}

std::vector<DirectoryEntry> EntriesOf(const std::string& folder_key, store::ListPage&& page) {
  std::map<std::string, DirectoryEntry, std::less<>> by_name;
  const auto nothing = std::make_shared<const store::ObjectInfo>();
  const auto add = [&](std::string name, Kind kind, std::shared_ptr<const store::ObjectInfo> told) {
    if (!IsShowable(WithoutMark(name)) || (folder_key.empty() && WithoutMark(name) == kReservedName)) return;
    DirectoryEntry entry{.name = name, .kind = kind, .told = std::move(told)};
    by_name.insert_or_assign(std::move(name), std::move(entry));
  };
  for (const std::string& prefix : page.prefixes) {
    add(prefix.substr(folder_key.size(), prefix.size() - folder_key.size() - 1), Kind::kDirectory, nothing);
  }
  for (store::ObjectInfo& info : page.objects) {
    std::string name = info.key.substr(folder_key.size());
    if (name.ends_with('/')) {  // the marker of a folder that is there already
      name.pop_back();
      const auto entry = by_name.find(name);
      if (entry != by_name.end()) entry->second.told = std::make_shared<const store::ObjectInfo>(std::move(info));
      continue;
    }
    if (by_name.contains(name)) name += kHiddenObjectMark;
    const Kind kind = KindOf(ParseMetadata(info.metadata));
    add(std::move(name), kind, std::make_shared<const store::ObjectInfo>(std::move(info)));
  }
  std::vector<DirectoryEntry> entries;
  entries.reserve(by_name.size());
  for (auto& [name, entry] : by_name) entries.push_back(std::move(entry));
  return entries;
}

}  // namespace seamount::vfs
