// An object of a store as a File.
//
// How it works: what is read is fetched by range and kept in parts, as they were fetched, for all files together within
// a budget; the part that was used longest ago goes first. A read that goes on where the last fetch ended fetches twice
// as much as that one did, up to 4 MiB, so that metadata that lie together cost one request and lonely ones little.
// What is expected is fetched on threads of its own, parts that nearly touch by one request; expectations take half of
// the room at most, so that none is dropped before it was used. Every request names the generation that was opened.
#pragma once

#include <memory>
#include <string>

#include "exec/thread_pool.h"
#include "source/file.h"

namespace seamount::source {

// What was fetched, of all files. Thread-safe.
class FetchedParts;
std::shared_ptr<FetchedParts> MakeFetchedParts(uint64_t limit_bytes);

struct ObjectPlace {
  std::shared_ptr<Store> store;
  std::string key;
  std::string address;  // for people
};

// Asks for the object's beginning. NotFound when there is none. `pool` outlives the file.
Result<std::shared_ptr<const File>> OpenObjectFile(ObjectPlace place, std::shared_ptr<FetchedParts> parts,
                                                   std::shared_ptr<exec::ThreadPool> pool, std::stop_token stop);

}  // namespace seamount::source
