// Bringing objects and files from one place to another, many at once, each whole or not at all.
//
// How it works: what is to be read is cut into parts of a few MiB, so that one large object keeps as many connections
// busy as many small ones do. A file is written beside its name and takes it when all parts are there and their
// checksum is the object's. The first error stops what has not begun.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/store.h"

namespace seamount::cli {

// Bytes moved, heard from many threads.
using Moved = std::function<void(uint64_t bytes)>;

struct Download {
  store::ObjectInfo object;  // as it was listed; read at its generation
  std::string path;          // the folder that it lies in is there
};
Result<void> DownloadAll(Store& store, const std::vector<Download>& files, const Moved& moved,
                         const CallContext& context);

struct Upload {
  std::string path, key;
};
Result<void> UploadAll(Store& store, const std::vector<Upload>& files, const Moved& moved, const CallContext& context);

struct Transfer {
  store::ObjectInfo object;
  std::string key;
};
// On the server where both stores are one; else through this machine, attributes kept.
Result<void> CopyAll(Store& from, Store& to, const std::vector<Transfer>& objects, const Moved& moved,
                     const CallContext& context);

// A range of an object at its generation, in order, to `sink`.
Result<void> Stream(Store& store, const store::ObjectInfo& object, const store::ByteSpan& span,
                    const std::function<Result<void>(const Bytes&)>& sink, const CallContext& context);

// Calls body(0..count-1) from many threads; the first error, which keeps the rest from beginning.
Result<void> ForAll(size_t count, const std::function<Result<void>(size_t)>& body);

// CRC-32C of a file.
Result<uint32_t> ChecksumOfFile(const std::string& path, const CallContext& context);

}  // namespace seamount::cli
