// A bucket as a file system: every call the kernel makes, in terms of inode numbers, names and bytes.
//
// Three parts do the work, and this says which: the Namespace knows names and how fresh they are, Content reads and
// stages bytes, the Publisher changes the bucket. docs/SEMANTICS.md lists what is promised.
//
// Every call takes a context: when its stop is requested (the program was interrupted), the call ends soon, with EINTR.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vfs/content.h"
#include "vfs/journal.h"
#include "vfs/namespace.h"
#include "vfs/options.h"
#include "vfs/publisher.h"
#include "vfs/recorder.h"

namespace seamount::vfs {

// Thread-safe.
class FileSystem {
 public:
  static Result<std::unique_ptr<FileSystem>> Open(std::shared_ptr<Store> store, const FileSystemOptions& options);
  ~FileSystem();

  // Names. Every answered Attributes of Lookup, Create, Make… counts one lookup, to be given back by Forget.
  Outcome<Attributes> Lookup(uint64_t parent, std::string_view name, const CallContext& context = {}) {
    return names_.Lookup(parent, name, context);
  }
  void Forget(uint64_t inode, uint64_t lookups) { names_.Forget(inode, lookups); }
  std::vector<Namespace::Name> SurplusNames(size_t at_once) { return names_.SurplusNames(at_once); }
  bool HasSurplusNames() const { return names_.HasSurplusNames(); }
  size_t known_names() const { return names_.known_names(); }
  Outcome<Attributes> MakeDirectory(uint64_t parent, std::string_view name, const Ownership& owner,
                                    const CallContext& context = {}) {
    return publisher_.Make(parent, name, Kind::kDirectory, {}, owner, context);
  }
  Outcome<Attributes> MakeSymlink(uint64_t parent, std::string_view name, std::string_view target,
                                  const Ownership& owner, const CallContext& context = {}) {
    // The kernel's own limit is 4 KiB; metadata of an object ends at 8 KiB.
    return publisher_.Make(parent, name, Kind::kSymlink, {.symlink_target = std::string(target)}, owner, context);
  }
  Outcome<Attributes> MakeSpecial(uint64_t parent, std::string_view name, const Special& special,
                                  const Ownership& owner, const CallContext& context = {}) {
    return publisher_.Make(parent, name, special.kind, {.special = special}, owner, context);
  }
  Outcome<Created> Create(uint64_t parent, std::string_view name, const Ownership& owner, const OpenOptions& options,
                          const CallContext& context = {}) {
    return publisher_.Create(parent, name, owner, options, context);
  }
  Outcome<void> Unlink(uint64_t parent, std::string_view name, const CallContext& context = {}) {
    return publisher_.Unlink(parent, name, context);
  }
  Outcome<void> RemoveDirectory(uint64_t parent, std::string_view name, const CallContext& context = {}) {
    return publisher_.RemoveDirectory(parent, name, context);
  }
  Outcome<void> Rename(uint64_t parent, std::string_view name, uint64_t new_parent, std::string_view new_name,
                       bool replace, const CallContext& context = {}) {
    return publisher_.Rename(parent, name, new_parent, new_name, replace, context);
  }

  // Attributes.
  Outcome<Attributes> Stat(uint64_t inode, const CallContext& context = {}) { return names_.Stat(inode, context); }
  Outcome<Attributes> Change(uint64_t inode, const AttributeChange& change, const OpenFile* handle,
                             const CallContext& context = {}) {
    return publisher_.Change(inode, change, handle, context);
  }
  Outcome<std::string> ReadLink(uint64_t inode) { return names_.ReadLink(inode); }

  // Folders.
  Outcome<std::unique_ptr<OpenDirectory>> OpenFolder(uint64_t inode, const CallContext& context = {}) {
    return names_.OpenFolder(inode, context);
  }
  bool IsCurrent(const OpenDirectory& folder) { return names_.IsCurrent(folder); }
  Outcome<void> Rewind(OpenDirectory& folder, const CallContext& context = {}) {
    return names_.Rewind(folder, context);
  }
  std::optional<Attributes> EntryAttributes(const OpenDirectory& folder, const DirectoryEntry& entry) {
    return names_.EntryAttributes(folder, entry);
  }

  // Files.
  Outcome<std::unique_ptr<OpenFile>> OpenExisting(uint64_t inode, const OpenOptions& options,
                                                  const CallContext& context = {});
  Outcome<std::vector<Bytes>> Read(const OpenFile& file, uint64_t offset, uint64_t length,
                                   const CallContext& context = {}) {
    return content_.Read(file, offset, length, context);
  }
  // append: at the file's end, whatever the offset.
  Outcome<void> Write(const OpenFile& file, uint64_t offset, std::span<const std::byte> data, bool append = false,
                      const CallContext& context = {}) {
    return content_.Write(file, offset, data, append, context);
  }
  Outcome<void> Commit(const OpenFile& file, const CallContext& context = {}) {
    return publisher_.Commit(file, context);
  }
  Outcome<uint64_t> CopyRange(const OpenFile& from, uint64_t from_offset, const OpenFile& to, uint64_t to_offset,
                              uint64_t length, const CallContext& context = {}) {
    return content_.CopyRange(from, from_offset, to, to_offset, length, context);
  }
  // Nothing was written to the file that may not be in the bucket, so that Commit and Release have nothing to wait for.
  bool Settled(const OpenFile& file);
  void Release(std::unique_ptr<OpenFile> file) { publisher_.Release(std::move(file)); }
  // Before unmounting: uploads everything. The first fault, if any; what could not be uploaded is kept and logged.
  Outcome<void> CommitAll() { return publisher_.CommitAll(); }

  // Bytes that may still be written before the staging folder's disk is full; nothing where nobody writes.
  std::optional<uint64_t> StagingRoom() const;
  Stats& stats() { return stats_; }
  uint64_t memory_peak_bytes() const;

 private:
  FileSystem(std::shared_ptr<Store> store, const FileSystemOptions& options);

  base::Clock& clock_;
  Stats stats_;
  const std::shared_ptr<ListAhead> store_;
  const std::unique_ptr<Fetcher> fetcher_;
  StagingFolder staging_;
  Journal journal_;
  Namespace names_;
  Recorder recorder_;
  Content content_;
  Publisher publisher_;
};

}  // namespace seamount::vfs
