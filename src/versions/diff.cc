#include "versions/diff.h"

#include <algorithm>
#include <map>
#include <set>

namespace seamount::versions {
namespace {

// Whatever has a path.
struct Entry {
  const File* file = nullptr;
  const Link* link = nullptr;

  uint64_t size() const { return file == nullptr ? 0 : file->size; }
  bool Same(const Entry& other) const {
    if ((file == nullptr) != (other.file == nullptr) || (link == nullptr) != (other.link == nullptr)) return false;
    return (file == nullptr || *file == *other.file) && (link == nullptr || *link == *other.link);
  }
};

std::map<std::string, Entry> EntriesOf(const Manifest& manifest) {
  std::map<std::string, Entry> entries;
  for (const File& file : manifest.files) entries[file.path].file = &file;
  for (const Link& link : manifest.links) entries[link.path].link = &link;
  for (const std::string& folder : manifest.folders) entries[folder + "/"] = {};
  return entries;
}

uint64_t BytesOutside(const File* file, const std::set<Digest>& known) {
  uint64_t bytes = 0;
  if (file == nullptr) return bytes;
  for (const Chunk& chunk : file->chunks) {
    if (!known.contains(chunk.digest)) bytes += chunk.size;
  }
  return bytes;
}

}  // namespace

std::vector<Difference> Diff(const Manifest& before, const Manifest& after) {
  const auto old_entries = EntriesOf(before), new_entries = EntriesOf(after);
  std::set<Digest> known;
  for (const File& file : before.files) {
    for (const Chunk& chunk : file.chunks) known.insert(chunk.digest);
  }
  std::vector<Difference> out;
  for (const auto& [path, entry] : old_entries) {
    if (!new_entries.contains(path)) out.push_back({Change::kRemoved, path, entry.size(), 0, 0});
  }
  for (const auto& [path, entry] : new_entries) {
    const auto old = old_entries.find(path);
    if (old == old_entries.end()) {
      out.push_back({Change::kAdded, path, 0, entry.size(), BytesOutside(entry.file, known)});
    } else if (!entry.Same(old->second)) {
      out.push_back({Change::kChanged, path, old->second.size(), entry.size(), BytesOutside(entry.file, known)});
    }
  }
  std::sort(out.begin(), out.end(), [](const Difference& a, const Difference& b) { return a.path < b.path; });
  return out;
}

}  // namespace seamount::versions
