// What a file-system call answers when it fails: an errno value for the program, and words for the log.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace seamount::vfs {

struct Fault {
  int error;            // an errno value: ENOENT, EIO, …
  std::string message;  // what was being done, to which object, what was wrong
};

template <class T>
using Outcome = base::Expected<T, Fault>;

// The one place where a store's error becomes an errno value: of a question, which cannot lack room, so that a store
// that is out of something is EIO…
Fault ToFault(const Error& error);
// …and of a change, where it is ENOSPC.
Fault ToChangeFault(const Error& error);
// Of a call to this machine: "<what>: <what errno says>".
Fault FromErrno(int error, const std::string& what);
// ENOENT.
Fault NoEntry(std::string_view name);

}  // namespace seamount::vfs

// SEAMOUNT_TRY_ASSIGN for a store's Result inside a function that returns an Outcome: of a question, and of a change.
#define SEAMOUNT_VFS_ASSIGN(decl, expr) \
  SEAMOUNT_VFS_ASSIGN_(SEAMOUNT_CONCAT(seamount_vfs_, __LINE__), decl, expr, ToFault)
#define SEAMOUNT_VFS_CHANGE(decl, expr) \
  SEAMOUNT_VFS_ASSIGN_(SEAMOUNT_CONCAT(seamount_vfs_, __LINE__), decl, expr, ToChangeFault)
#define SEAMOUNT_VFS_ASSIGN_(tmp, decl, expr, to_fault)    \
  auto tmp = (expr);                                       \
  if (!tmp) return ::seamount::vfs::to_fault(tmp.error()); \
  decl = *std::move(tmp)
