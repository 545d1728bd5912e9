// A folder for what nobody else may see or put something into: staged file contents, the log of a mount.
//
// Everything in it is reached through its descriptor, so that a name on the way that others can change leads nowhere.
#pragma once

#include <string>

#include "base/fd.h"
#include "vfs/fault.h"

namespace seamount::vfs {

// Opens the folder, made with mode 0700 if it is not there. EPERM, with what to do, if it is a link or belongs to
// another user: what such a folder holds may be links into files of ours.
Outcome<base::Fd> OpenPrivateFolder(const std::string& path);

// Opens a file in it for adding lines, made with mode 0600 if it is not there. EPERM if it is no plain file of ours
// with one name only.
Outcome<base::Fd> OpenPrivateLog(const base::Fd& folder, const std::string& name);

}  // namespace seamount::vfs
