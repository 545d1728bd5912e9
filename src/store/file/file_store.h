// A directory as a store: file:///dir. Objects are plain files under their own names (file_names.h has the exceptions),
// so that people and other programs find them, and files that somebody put there are objects.
//
// How it works. A Write fills a temporary file in the store's own folder (.seamount), fsyncs it and renames it into
// place while it holds the lock of that path (flock, so across processes too): that is when conditions are checked.
// Readers need no lock: an open file never changes, it is only replaced. The generation is made of inode and
// modification time, which a rename changes and a restart keeps. Checksum, type and metadata are a record
// (file_record.h) in an extended attribute, else in .seamount/records. Files without a record (others wrote them) have
// no checksum.
//
// Symbolic links to files within the directory are read. One that leads out of it, and what lies behind one to a
// folder, is PermissionDenied: it is not followed, and it is not said to be absent either (listings leave it out, with
// a warning). Moving a link moves what it leads to: the link is replaced by a copy of that file first (and stays so if
// the move then fails). What others may not read on the disk says so to those above: files without a record carry their
// owner and mode as metadata (goog-reserved-posix-*) where not everybody may read them.
//
// Someone else who writes a file in place while it is read makes that Read Unavailable.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "store/file/file_options.h"
#include "store/store.h"

namespace seamount::store {

// Thread-safe; several stores and processes may share a directory. Where the directory does not exist, reads and
// listings are NotFound and the first Write makes it. A full disk is ResourceExhausted, and nothing of the object that
// did not fit is left.
std::shared_ptr<Store> MakeFileStore(const std::string& directory, const FileStoreOptions& options = {});

}  // namespace seamount::store
