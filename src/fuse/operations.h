// The kernel's requests as calls of vfs::FileSystem, one function each: unpack, call, reply.
#pragma once

struct fuse_lowlevel_ops;

namespace seamount::fuse {

// The userdata of the session is an OperationsContext.
const fuse_lowlevel_ops& Operations();

}  // namespace seamount::fuse
