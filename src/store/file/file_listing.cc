#include "store/file/file_listing.h"

#include <algorithm>

#include "base/log.h"
#include "store/file/file_names.h"
#include "store/file/folder_orders.h"

namespace seamount::store {
namespace {

using StatKey = std::function<Result<std::optional<ObjectInfo>>(const std::string& key)>;

bool Overlaps(std::string_view a, std::string_view b) { return a.starts_with(b) || b.starts_with(a); }

class Listing {
 public:
  Listing(FileFolder& folder, const ListOptions& options, const CallContext& context, const StatKey& stat)
      : folder_(folder), options_(options), context_(context), stat_(stat), start_(options.start_offset) {}

  Result<ListPage> Run() {
    if (options_.max_results < 1) return base::InvalidArgument("list: max_results must be at least 1");
    SEAMOUNT_TRY(Resume());
    SEAMOUNT_TRY(Visit("", ""));
    return std::move(page_);
  }

 private:
  // A page token is 'o' and the last object's key, or 'p' and the last prefix.
  Result<void> Resume() {
    if (options_.page_token.empty()) return {};
    const std::string last = options_.page_token.substr(1);
    if (options_.page_token[0] == 'o') {
      start_ = std::max(start_, last + '\0');  // the next key there can be
    } else if (options_.page_token[0] == 'p' && !last.empty()) {
      folded_ = last;
      start_ = std::max(start_, last);
    } else {
      return base::InvalidArgument("list: malformed page token");
    }
    return {};
  }

  // The entries of one folder, in the order of the keys below them.
  Result<NamedEntries> Sorted(const std::string& path, const std::string& key) {
    const FolderStamp stamp = folder_.StampOf(path);
    if (auto kept = folder_.orders().Find(path, stamp)) return kept;
    std::vector<NamedEntry> named;
    simple_ = true;
    SEAMOUNT_TRY(Gather(path, key, "", named));
    std::sort(named.begin(), named.end(), [](const NamedEntry& a, const NamedEntry& b) {
      return a.key != b.key ? a.key < b.key : a.path < b.path;
    });
    // A file may be found under both its names for a moment; it is one object.
    const auto same = [](const NamedEntry& a, const NamedEntry& b) { return a.key == b.key; };
    named.erase(std::unique(named.begin(), named.end(), same), named.end());
    auto entries = std::make_shared<const std::vector<NamedEntry>>(std::move(named));
    if (simple_) folder_.orders().Keep(path, stamp, entries);
    return NamedEntries(std::move(entries));
  }

  Result<void> Gather(const std::string& path, const std::string& key, const std::string& pending,
                      std::vector<NamedEntry>& named) {
    SEAMOUNT_TRY(CheckContext(context_));
    std::vector<std::pair<std::string, std::string>> cut;  // path and text so far of names that go on in a folder
    SEAMOUNT_TRY(folder_.ForEntries(path, [&](const FolderEntry& entry) {
      const auto name = ReadFileName(entry.name, entry.folder, pending);
      if (!name) return true;
      const std::string entry_path = path.empty() ? entry.name : path + "/" + entry.name;
      // What a link leads to, or a folder within holds, changes without this one.
      if (entry.link || name->continues) simple_ = false;
      if (entry.link && entry.folder) {
        LeftOut(entry_path, "a symbolic link to a folder is not followed");
      } else if (entry.link) {
        return true;  // it leads nowhere
      } else if (name->continues) {
        cut.emplace_back(entry_path, name->text);
      } else {
        named.push_back({key + name->text + (entry.folder ? "/" : ""), entry_path, entry.folder});
      }
      return true;
    }));
    // The rest of a cut name sorts among the names beside it.
    for (const auto& [cut_path, text] : cut) SEAMOUNT_TRY(Gather(cut_path, key, text, named));
    return {};
  }

  void LeftOut(const std::string& path, std::string_view why) const {
    base::Log(base::LogLevel::kWarning,
              "listing '" + folder_.directory() + "': left out '" + path + "': " + std::string(why));
  }

  static bool IsObject(const NamedEntry& file) {
    if (!CheckKey(file.key)) return false;
    const std::string path = PathOfKey(file.key);
    return file.path == path || file.path == path + std::string(kBesideFolder);
  }

  // Whether keys that begin with the folder's can be asked for and have not been listed yet.
  bool Concerns(const std::string& folder_key) const {
    if (!Overlaps(folder_key, options_.prefix)) return false;
    if (!folded_.empty() && folder_key.starts_with(folded_)) return false;
    if (!BeforeEnd(folder_key)) return false;
    return folder_key >= start_ || start_.starts_with(folder_key);
  }

  bool BeforeEnd(const std::string& key) const { return options_.end_offset.empty() || key < options_.end_offset; }

  bool Concerned(const NamedEntry& file) const {
    return file.key.starts_with(options_.prefix) && file.key >= start_ && BeforeEnd(file.key) &&
           (folded_.empty() || !file.key.starts_with(folded_)) && IsObject(file);
  }

  // What the delimiter folds this key into, if it does.
  std::optional<std::string> Fold(const std::string& key) const {
    if (options_.delimiter.empty() || key.size() <= options_.prefix.size()) return std::nullopt;
    const size_t cut = key.find(options_.delimiter, options_.prefix.size());
    if (cut == std::string::npos) return std::nullopt;
    return key.substr(0, cut + options_.delimiter.size());
  }

  Result<void> Visit(const std::string& path, const std::string& key) {
    SEAMOUNT_TRY_ASSIGN(const auto entries, Sorted(path, key));
    for (const NamedEntry& entry : *entries) {
      if (full_) return {};
      if (entry.folder) {
        if (!Concerns(entry.key)) continue;
        if (entry.key.starts_with(options_.prefix) && Fold(entry.key)) {
          SEAMOUNT_TRY_ASSIGN(const bool any, HoldsObject(entry));
          if (any) SEAMOUNT_TRY(AddPrefix(*Fold(entry.key)));
        } else if (const auto visited = Visit(entry.path, entry.key); !visited) {
          // One folder that may not be read does not hide all others.
          const bool asked_for = options_.prefix.starts_with(entry.key);
          if (asked_for || visited.error().code() != ErrorCode::kPermissionDenied) return visited.error();
          LeftOut(entry.path, visited.error().message());
        }
      } else if (Concerned(entry)) {
        if (auto prefix = Fold(entry.key)) {
          SEAMOUNT_TRY(AddPrefix(*std::move(prefix)));
        } else {
          SEAMOUNT_TRY(AddObject(entry.key));
        }
      }
    }
    return {};
  }

  Result<bool> HoldsObject(const NamedEntry& folder) {
    SEAMOUNT_TRY(CheckContext(context_));
    bool any = false;
    std::vector<NamedEntry> folders;
    bool cut = false;  // a name goes on in a folder
    const auto read = folder_.ForEntries(folder.path, [&](const FolderEntry& entry) {
      const auto name = ReadFileName(entry.name, entry.folder, "");
      if (!name || entry.link) return true;
      NamedEntry named{folder.key + name->text + (entry.folder ? "/" : ""), folder.path + "/" + entry.name,
                       entry.folder};
      if (name->continues) {
        cut = true;
      } else if (entry.folder) {
        if (Concerns(named.key)) folders.push_back(std::move(named));
      } else {
        any = Concerned(named);
      }
      return !any;
    });
    // What may not be read is shown: whoever looks into it is told why.
    if (!read && read.error().code() == ErrorCode::kPermissionDenied) return true;
    if (!read) return read.error();
    for (size_t i = 0; i < folders.size() && !any; ++i) {
      SEAMOUNT_TRY_ASSIGN(any, HoldsObject(folders[i]));
    }
    if (any || !cut) return any;
    SEAMOUNT_TRY_ASSIGN(const auto entries, Sorted(folder.path, folder.key));
    for (const NamedEntry& entry : *entries) {
      if (!entry.folder && Concerned(entry)) return true;
      if (!entry.folder || !Concerns(entry.key)) continue;
      SEAMOUNT_TRY_ASSIGN(any, HoldsObject(entry));
      if (any) return true;
    }
    return false;
  }

  // Whether there is room for one more; otherwise the page ends with what it has.
  bool Room() {
    if (page_.objects.size() + page_.prefixes.size() < static_cast<size_t>(options_.max_results)) return true;
    full_ = true;
    page_.next_page_token = last_;
    return false;
  }

  Result<void> AddPrefix(std::string prefix) {
    if (!Room()) return {};
    if (options_.include_trailing_delimiter) {
      SEAMOUNT_TRY_ASSIGN(auto marker, stat_(prefix));
      if (marker) page_.objects.push_back(*std::move(marker));
    }
    folded_ = prefix;
    last_ = "p" + prefix;
    page_.prefixes.push_back(std::move(prefix));
    return {};
  }

  Result<void> AddObject(const std::string& key) {
    if (!Room()) return {};
    auto info = stat_(key);
    if (!info && info.error().code() == ErrorCode::kPermissionDenied) {
      LeftOut(key, info.error().message());
      return {};
    }
    if (!info) return std::move(info).error();
    if (!*info) return {};
    last_ = "o" + key;
    page_.objects.push_back(**std::move(info));
    return {};
  }

  FileFolder& folder_;
  const ListOptions& options_;
  const CallContext& context_;
  const StatKey& stat_;
  std::string start_;   // no key before this
  std::string folded_;  // the prefix listed last: keys below it are done
  std::string last_;    // the token of what was listed last
  bool full_ = false;
  bool simple_ = true;  // of the folder just read: its own times tell of each change
  ListPage page_;
};

}  // namespace

Result<ListPage> ListFolder(FileFolder& folder, const ListOptions& options, const CallContext& context,
                            const StatKey& stat) {
  return Listing(folder, options, context, stat).Run();
}

}  // namespace seamount::store
