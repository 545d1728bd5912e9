#include "vfs/list_ahead.h"

#include <algorithm>

#include "vfs/soon_after.h"

namespace seamount::vfs {
namespace {

// Different folders, each asked for soon after the one before, that make a walk.
constexpr size_t kWalk = 4;
constexpr size_t kMostWalked = 10'000;
// A stretch takes some 400 KB.
constexpr size_t kMostStretches = 16;

// Past all keys of the folder.
std::string EndOf(std::string_view folder) {
  std::string end(folder);
  if (!end.empty()) end.back() = '/' + 1;
  return end;
}

}  // namespace

ListAhead::ListAhead(std::shared_ptr<Store> inner, base::Clock& clock, base::Duration ttl)
    : DecoratedStore(std::move(inner)), clock_(clock), ttl_(ttl) {}

bool ListAhead::Stretch::HoldsFolder(std::string_view folder) const {
  if (folder < from) return false;
  return last.empty() || (!folder.empty() && EndOf(folder) <= last);
}

void ListAhead::Forget(std::string_view key) {
  std::scoped_lock lock(mutex_);
  ++changes_;
  for (const auto& stretch : stretches_) {
    if (!stretch->Holds(key)) continue;
    stretch->changed.emplace();
    for (size_t slash = key.find('/'); slash != std::string_view::npos; slash = key.find('/', slash + 1)) {
      stretch->changed.emplace(key.substr(0, slash + 1));
    }
  }
}

bool ListAhead::Walking(const std::string& folder) {
  const auto now = clock_.Now();
  if (!SoonAfter(new_at_, now, ttl_) || walked_.size() > kMostWalked) walked_.clear();
  if (walked_.insert(folder).second) new_at_ = now;
  return walked_.size() > kWalk;
}

store::ListPage ListAhead::PageOf(const Stretch& stretch, const std::string& folder) {
  const auto from = [&](const std::string& key) {
    return std::lower_bound(stretch.objects.begin(), stretch.objects.end(), key,
                            [](const store::ObjectInfo& object, const std::string& k) { return object.key < k; });
  };
  store::ListPage page;
  const auto end = folder.empty() ? stretch.objects.end() : from(EndOf(folder));
  for (auto it = from(folder); it != end;) {
    const size_t slash = it->key.find('/', folder.size());
    if (slash == std::string::npos || slash + 1 == it->key.size()) page.objects.push_back(*it);
    if (slash == std::string::npos) {
      ++it;
      continue;
    }
    page.prefixes.push_back(it->key.substr(0, slash + 1));
    it = from(EndOf(page.prefixes.back()));
  }
  return page;
}

std::optional<ListAhead::Told> ListAhead::FromStretch(const std::string& folder, For use) {
  std::shared_ptr<const Stretch> found;
  const auto now = clock_.Now();
  {
    std::scoped_lock lock(mutex_);
    std::erase_if(stretches_, [&](const auto& stretch) { return now - stretch->asked >= ttl_; });
    for (const auto& stretch : stretches_) {
      if (!stretch->HoldsFolder(folder) || stretch->changed.contains(folder)) continue;
      if (use == For::kLookup || stretch->read.insert(folder).second) found = stretch;
    }
  }
  if (found == nullptr) return std::nullopt;
  return Told{PageOf(*found, folder), now - found->asked};
}

Result<bool> ListAhead::Ask(Stretch& stretch, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(store::ListPage page, inner().List({.start_offset = stretch.from}, context));
  if (!page.next_page_token.empty()) {
    if (page.objects.empty()) return false;
    stretch.last = page.objects.back().key;
  }
  stretch.objects = std::move(page.objects);
  return true;
}

Result<ListAhead::Told> ListAhead::ListFolder(const store::ListOptions& options, For use, const CallContext& context) {
  const std::string& folder = options.prefix;
  // Of a folder that is known to be long, parts are asked for.
  const bool whole = options.start_offset <= folder && options.end_offset.empty();
  auto stretch = std::make_shared<Stretch>(Stretch{.from = folder});
  if (use == For::kReading) stretch->read.insert(folder);
  uint64_t changes = 0;
  bool ahead = false;
  if (whole && ttl_ > base::Duration::zero()) {
    if (auto told = FromStretch(folder, use)) return *std::move(told);
    std::scoped_lock lock(mutex_);
    const bool too_long = std::ranges::any_of(
        stretches_, [&](const auto& each) { return each->from == folder && !each->HoldsFolder(folder); });
    ahead = Walking(folder) && !too_long;
    changes = changes_;
    stretch->asked = clock_.Now();
  }
  if (ahead) {
    SEAMOUNT_TRY_ASSIGN(ahead, Ask(*stretch, context));
  }
  if (ahead) {
    std::scoped_lock lock(mutex_);
    if (changes == changes_) stretches_.push_back(stretch);
    if (stretches_.size() > kMostStretches) stretches_.erase(stretches_.begin());
    if (stretch->HoldsFolder(folder)) return Told{PageOf(*stretch, folder)};
  }
  SEAMOUNT_TRY_ASSIGN(store::ListPage page, inner().List(options, context));
  return Told{std::move(page)};
}

Result<store::ObjectInfo> ListAhead::Copy(const std::string& from, const std::string& to,
                                          const store::CopyOptions& options, const CallContext& context) {
  const Change change(*this, to);
  return DecoratedStore::Copy(from, to, options, context);
}

Result<store::ObjectInfo> ListAhead::Move(const std::string& from, const std::string& to,
                                          const store::MoveOptions& options, const CallContext& context) {
  const Change change(*this, to);
  return DecoratedStore::Move(from, to, options, context);
}

}  // namespace seamount::vfs
