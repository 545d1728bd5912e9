// A folder on this machine as a version sees it: its files cut into chunks, read once from front to back.
#pragma once

#include <functional>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "versions/manifest.h"

namespace seamount::versions {

// Files (without chunks yet), links and empty folders below `root`, by path. InvalidArgument for what a version cannot
// hold: sockets, devices, names that are not UTF-8, links that lead out. Links are kept as links.
Result<Manifest> ListFolder(const std::string& root);

// Hands over the chunks of a file, in order. PreconditionFailed when the file changed meanwhile: half of the old and
// half of the new is no version of it. file.size may have changed since ListFolder did not look: it is set anew.
Result<void> ReadChunks(const std::string& root, File& file, const std::function<Result<void>(Bytes)>& take,
                        const CallContext& context);

}  // namespace seamount::versions
