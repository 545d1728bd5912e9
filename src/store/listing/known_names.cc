#include "store/listing/known_names.h"

#include <algorithm>
#include <utility>

namespace seamount::store {
namespace {

// A map's node with a short name; entries of objects add their strings.
constexpr uint64_t kNameBytes = 256;
constexpr uint64_t kFolderBytes = 256;

uint64_t BytesOf(const ObjectInfo& info) {
  uint64_t bytes = sizeof(ObjectInfo) + info.key.size() + info.generation.text().size() + info.content_type.size();
  for (const auto& [name, value] : info.metadata) bytes += 128 + name.size() + value.size();
  return bytes;
}

uint64_t BytesOf(const std::optional<ObjectInfo>& info) { return info ? BytesOf(*info) : 0; }

}  // namespace

SplitName SplitKey(std::string_view key) {
  const size_t slash = key.size() < 2 ? std::string_view::npos : key.rfind('/', key.size() - 2);
  if (slash == std::string_view::npos) return {"", std::string(key)};
  return {std::string(key.substr(0, slash + 1)), std::string(key.substr(slash + 1))};
}

const KnownNames::Contents* KnownNames::Find(const std::string& folder) const {
  const auto it = folders_.find(folder);
  return it == folders_.end() ? nullptr : &it->second;
}

const KnownNames::Span* KnownNames::Covering(const Contents& contents, const std::string& name,
                                             base::SteadyTime now) const {
  for (const Span& span : contents.spans) {
    if (Fresh(span.asked, now) && name >= span.from && (!span.to || name < *span.to)) return &span;
  }
  return nullptr;
}

std::optional<std::optional<ObjectInfo>> KnownNames::Object(const std::string& key, base::SteadyTime now) const {
  const auto [folder, name] = SplitKey(key);
  if (const Contents* contents = Find(folder)) {
    const auto it = contents->names.find(name);
    if (it != contents->names.end()) {
      if (it->second.object_known && Fresh(it->second.asked, now)) return it->second.object;
    } else if (Covering(*contents, name, now) != nullptr) {
      return std::optional<ObjectInfo>();  // a folder's marker too: its prefix would be there
    }
  }
  // The marker of a folder is the first name in the folder's own listing.
  if (key.ends_with('/')) {
    if (const Contents* own = Find(key)) {
      const auto it = own->names.find("");
      if (it != own->names.end()) {
        if (it->second.object_known && Fresh(it->second.asked, now)) return it->second.object;
      } else if (Covering(*own, "", now) != nullptr) {
        return std::optional<ObjectInfo>();
      }
    }
  }
  if (BelowNothing(key, now)) return std::optional<ObjectInfo>();
  return std::nullopt;
}

std::optional<bool> KnownNames::Folder(const std::string& folder, base::SteadyTime now) const {
  const auto [parent, name] = SplitKey(folder);
  if (const Contents* contents = Find(parent)) {
    const auto it = contents->names.find(name);
    if (it != contents->names.end()) {
      if (it->second.below_known && Fresh(it->second.below_asked, now)) return it->second.below;
    } else if (Covering(*contents, name, now) != nullptr) {
      return false;
    }
  }
  if (BelowNothing(folder, now)) return false;
  return std::nullopt;
}

bool KnownNames::BelowNothing(const std::string& key, base::SteadyTime now) const {
  for (SplitName at = SplitKey(key); !at.folder.empty();) {
    const std::string folder = at.folder;
    at = SplitKey(folder);
    const Contents* contents = Find(at.folder);
    if (contents == nullptr) continue;
    const auto it = contents->names.find(at.name);
    if (it != contents->names.end()) {
      if (it->second.below_known && Fresh(it->second.below_asked, now) && !it->second.below) return true;
    } else if (Covering(*contents, at.name, now) != nullptr) {
      return true;
    }
  }
  return false;
}

KnownNames::Contents& KnownNames::Touch(const std::string& folder, base::SteadyTime asked) {
  const auto [it, inserted] = folders_.try_emplace(folder);
  Contents& contents = it->second;
  if (inserted) {
    order_.push_back(folder);
    contents.place = std::prev(order_.end());
    contents.newest = asked;
    contents.bytes = kFolderBytes + folder.size();
    bytes_ += contents.bytes;
  } else {
    order_.splice(order_.end(), order_, contents.place);
    contents.newest = std::max(contents.newest, asked);
  }
  return contents;
}

KnownNames::Name& KnownNames::NameIn(Contents& contents, const std::string& name) {
  const auto [it, inserted] = contents.names.try_emplace(name);
  if (inserted) {
    contents.bytes += kNameBytes + name.size();
    bytes_ += kNameBytes + name.size();
  }
  return it->second;
}

void KnownNames::Erase(Contents& contents, std::map<std::string, Name>::iterator it) {
  const uint64_t bytes = kNameBytes + it->first.size() + BytesOf(it->second.object);
  contents.bytes -= bytes;
  bytes_ -= bytes;
  contents.names.erase(it);
}

void KnownNames::Put(Contents& contents, Name& name, std::optional<ObjectInfo> object, base::SteadyTime asked) {
  const uint64_t before = BytesOf(name.object);
  const uint64_t after = BytesOf(object);
  contents.bytes += after - before;  // modulo 2^64, as is right
  bytes_ += after - before;
  name.object = std::move(object);
  name.object_known = true;
  name.asked = asked;
}

void KnownNames::AddPage(const Page& page, const ListPage& names, base::SteadyTime asked) {
  Contents& contents = Touch(page.folder, asked);
  auto it = contents.names.lower_bound(page.from);
  while (it != contents.names.end() && (!page.to || it->first < *page.to)) Erase(contents, it++);
  std::erase_if(contents.spans, [&](const Span& old) {
    const bool inside = old.from >= page.from && (!page.to || (old.to && *old.to <= *page.to));
    return inside || !Fresh(old.asked, asked);
  });
  contents.spans.push_back({page.from, page.to, asked, page.markers});
  for (const std::string& prefix : names.prefixes) {
    Name& name = NameIn(contents, prefix.substr(page.folder.size()));
    name.below = name.below_known = true;
    name.below_asked = asked;
    // Of a folder in which the page begins, the marker lies before it.
    if (page.markers && prefix.substr(page.folder.size()) >= page.from) Put(contents, name, std::nullopt, asked);
  }
  for (const ObjectInfo& object : names.objects) {
    Put(contents, NameIn(contents, object.key.substr(page.folder.size())), object, asked);
  }
  Trim(asked);
}

void KnownNames::Set(const std::string& key, std::optional<ObjectInfo> object, base::SteadyTime asked) {
  const bool present = object.has_value();
  const auto [folder, name] = SplitKey(key);
  Contents& contents = Touch(folder, asked);
  Put(contents, NameIn(contents, name), object, asked);
  if (key.ends_with('/')) {
    if (const auto own = folders_.find(key); own != folders_.end()) {
      Put(own->second, NameIn(own->second, ""), std::move(object), asked);
    }
  }
  if (present) SetBelow(key, true, asked);
  Trim(asked);
}

void KnownNames::Remove(const std::string& key, base::SteadyTime asked) {
  SetBelow(key, false, asked);
  Set(key, std::nullopt, asked);
}

void KnownNames::Forget(const std::string& key) {
  const auto forget = [&](const std::string& folder, const std::string& name) {
    if (const auto it = folders_.find(folder); it != folders_.end()) {
      Name& known = NameIn(it->second, name);
      Put(it->second, known, std::nullopt, known.asked);
      known.object_known = false;
    }
  };
  const auto [folder, name] = SplitKey(key);
  forget(folder, name);
  if (key.ends_with('/')) forget(key, "");
  SetBelow(key, false, {});
}

// Of the folders above `key`, and of the key itself where it is a folder's marker: there is something below them, or
// that is not known any more.
void KnownNames::SetBelow(const std::string& key, bool known, base::SteadyTime asked) {
  for (std::string folder = key.ends_with('/') ? key : SplitKey(key).folder; !folder.empty();) {
    const auto [parent, name] = SplitKey(folder);
    if (const auto it = folders_.find(parent); it != folders_.end()) {
      Name& above = NameIn(it->second, name);
      above.below = above.below_known = known;
      above.below_asked = asked;
    }
    folder = parent;
  }
}

// Folders that were told of longest ago go first; what is too old goes anyway.
void KnownNames::Trim(base::SteadyTime now) {
  while (!order_.empty()) {
    const auto oldest = folders_.find(order_.front());
    if (bytes_ <= max_bytes_ && Fresh(oldest->second.newest, now)) return;
    bytes_ -= oldest->second.bytes;
    folders_.erase(oldest);
    order_.pop_front();
  }
}

}  // namespace seamount::store
