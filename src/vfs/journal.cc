#include "vfs/journal.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <random>
#include <set>
#include <string_view>
#include <utility>

#include "base/log.h"

namespace seamount::vfs {
namespace {

constexpr const char* kOpen = "open";
constexpr const char* kWaits = ".json";
constexpr const char* kUploaded = ".uploaded";

void Remove(const base::Fd& folder, const std::string& name) { (void)unlinkat(folder.get(), name.c_str(), 0); }

bool Rename(const base::Fd& from_folder, const std::string& from, const base::Fd& to_folder, const std::string& to) {
  return renameat(from_folder.get(), from.c_str(), to_folder.get(), to.c_str()) == 0;
}

base::Fd OpenFolder(const base::Fd& parent, const std::string& name) {
  return base::Fd(openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

std::set<std::string> NamesIn(const base::Fd& folder) {
  std::set<std::string> names;
  DIR* dir = fdopendir(openat(folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (dir == nullptr) return names;
  while (const dirent* entry = readdir(dir)) {
    if (std::string_view(entry->d_name) != "." && std::string_view(entry->d_name) != "..") names.insert(entry->d_name);
  }
  closedir(dir);
  return names;
}

// Whether the name still leads to what is open.
bool IsStill(const base::Fd& parent, const std::string& name, const base::Fd& folder) {
  struct stat there = {}, here = {};
  return fstatat(parent.get(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 && fstat(folder.get(), &here) == 0 &&
         there.st_ino == here.st_ino && there.st_dev == here.st_dev;
}

}  // namespace

Journal::~Journal() {
  if (!own_) return;
  if (const base::Fd open = OpenFolder(staging_.folder(), kOpen)) unlinkat(open.get(), own_name_.c_str(), AT_REMOVEDIR);
}

Outcome<void> Journal::MakeOwnFolder() {
  std::scoped_lock lock(mutex_);
  if (own_) return {};
  SEAMOUNT_TRY_ASSIGN(const base::Fd open, staging_.Below(kOpen));
  std::random_device device;
  for (;;) {
    const std::string name = fmt::format("{:08x}{:08x}", device(), device());
    const std::string what = "folder '" + staging_.path() + "/" + kOpen + "/" + name + "'";
    if (mkdirat(open.get(), name.c_str(), 0700) != 0) return FromErrno(errno, "making " + what);
    base::Fd folder = OpenFolder(open, name);
    // A mount that begins at this moment may take it for a killed one's, and remove it.
    if (!folder && errno == ENOENT) continue;
    if (!folder) return FromErrno(errno, "opening " + what);
    const bool locked = flock(folder.get(), LOCK_EX | LOCK_NB) == 0;
    if (!locked && errno != EWOULDBLOCK) return FromErrno(errno, "locking " + what);
    if (!locked || !IsStill(open, name, folder)) continue;
    own_name_ = name;
    own_ = std::move(folder);
    return {};
  }
}

// Unique also among what is kept already: it holds the folder's random name.
std::string Journal::NameFor(const std::string& key) {
  return fmt::format("{}.{}.{}-{}", LocalName(key), std::time(nullptr), own_name_, count_++);
}

Outcome<std::unique_ptr<Journal::Entry>> Journal::Record(const base::Fd& file, const StagedRecord& record) {
  SEAMOUNT_TRY(MakeOwnFolder());
  const std::string name = NameFor(record.key);
  SEAMOUNT_TRY(WriteRecord(own_, name, record));
  auto copy = GiveName(file, own_, name);
  if (copy && *copy && dup3((*copy)->get(), file.get(), O_CLOEXEC) < 0) {
    copy = FromErrno(errno, "naming '" + name + "'");
    Remove(own_, name);
  }
  if (!copy) {
    Remove(own_, name + kWaits);
    return std::move(copy).error();
  }
  return std::unique_ptr<Entry>(new Entry(*this, name));
}

Journal::Entry::~Entry() {
  Remove(journal_.own_, name_);
  Remove(journal_.own_, name_ + (waits_ ? kWaits : kUploaded));
}

void Journal::Entry::Uploaded() {
  if (waits_ && Rename(journal_.own_, name_ + kWaits, journal_.own_, name_ + kUploaded)) waits_ = false;
}

Outcome<void> Journal::Entry::Renew(const StagedRecord& record) {
  const std::string name = journal_.NameFor(record.key);
  SEAMOUNT_TRY(WriteRecord(journal_.own_, name, record));
  if (!Rename(journal_.own_, name_, journal_.own_, name)) {
    const int error = errno;
    Remove(journal_.own_, name + kWaits);
    return FromErrno(error, "renaming '" + name_ + "' in the journal");
  }
  Remove(journal_.own_, name_ + (waits_ ? kWaits : kUploaded));
  name_ = name;
  waits_ = true;
  return {};
}

void Journal::TakeOver() {
  const base::Fd open = OpenFolder(staging_.folder(), kOpen);
  if (!open) return;  // nobody recorded anything yet
  for (const std::string& name : NamesIn(open)) {
    const base::Fd folder = OpenFolder(open, name);
    if (!folder || flock(folder.get(), LOCK_EX | LOCK_NB) != 0) continue;  // held by a mount that lives
    Rescue(folder);
    unlinkat(open.get(), name.c_str(), AT_REMOVEDIR);  // unless something had to stay
  }
}

void Journal::Rescue(const base::Fd& folder) {
  const std::set<std::string> names = NamesIn(folder);
  for (const std::string& name : names) {
    if (name.ends_with(kWaits) || name.ends_with(kUploaded)) continue;
    const bool waits = names.contains(name + kWaits);
    if (!waits && names.contains(name + kUploaded)) {
      Remove(folder, name);
      continue;
    }
    const std::string path = staging_.path() + "/" + StagingFolder::kKept + "/" + name;
    if (const auto moved = Move(folder, name, waits); !moved) {
      base::Log(base::LogLevel::kError, "a killed mount was writing '" + name + "', which could not be moved to '" +
                                            path + "' (" + moved.error().message + "): the next mount tries again");
    } else {
      base::Log(base::LogLevel::kWarning, "a killed mount was writing what is kept in '" + path +
                                              "'; it is not in the bucket" +
                                              (waits ? " ('" + path + ".json' says which, and under which key)" : ""));
    }
  }
  for (const std::string& name : NamesIn(folder)) {
    const std::string file = name.substr(0, name.rfind('.'));
    const bool record = name.ends_with(kWaits) || name.ends_with(kUploaded);
    if (record && faccessat(folder.get(), file.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) != 0) Remove(folder, name);
  }
}

Outcome<void> Journal::Move(const base::Fd& folder, const std::string& name, bool record) {
  SEAMOUNT_TRY_ASSIGN(const base::Fd kept, staging_.Below(StagingFolder::kKept));
  if (record && !Rename(folder, name + kWaits, kept, name + kWaits)) return FromErrno(errno, "moving its record");
  if (!Rename(folder, name, kept, name)) return FromErrno(errno, "moving it");
  return {};
}

}  // namespace seamount::vfs
