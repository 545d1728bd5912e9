// What a file-system call answers when it fails: an errno value for the program, and words for the log.
#pragma once

#include <string>

#include "base/result.h"

namespace seamount::vfs {

struct Fault {
  int error;            // an errno value: ENOENT, EIO, …
  std::string message;  // what was being done, to which object, what was wrong
};

template <class T>
using Outcome = base::Expected<T, Fault>;

// The one place where a store's error becomes an errno value.
Fault ToFault(const Error& error);
// The same for an upload: a program that calls fsync or close must see EIO (or ENOSPC), never success and never a
// code that means something else there.
Fault ToUploadFault(const Error& error);

}  // namespace seamount::vfs

// SEAMOUNT_TRY_ASSIGN for a store's Result inside a function that returns an Outcome.
#define SEAMOUNT_VFS_ASSIGN(decl, expr) SEAMOUNT_VFS_ASSIGN_(SEAMOUNT_CONCAT(seamount_vfs_, __LINE__), decl, expr)
#define SEAMOUNT_VFS_ASSIGN_(tmp, decl, expr)             \
  auto tmp = (expr);                                      \
  if (!tmp) return ::seamount::vfs::ToFault(tmp.error()); \
  decl = *std::move(tmp)
