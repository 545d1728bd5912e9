// Reads served from a block cache (block_cache.h) where they can be.
//
// How it works. A Read with if_generation needs no server for blocks that are cached: their generation names their
// content for ever. So such a Read may still hand out a generation that was overwritten or deleted meanwhile, where the
// bare store would say PreconditionFailed. A Read without if_generation has to learn the current generation first: by
// one Stat where the cache holds the first block it needs, else by reading (the answer tells), so that a cold read is
// one request either way. What is missing in a row is one request; readers that want the same row at the same time
// share it. A read that the cache has nothing of is one request for exactly what was asked, handed through without a
// copy; what it brought is written in the background. What is wanted later of the same block comes with the gap before
// it, if that is small (cache_plan.h). A suffix is served like any other range where the object's size is known: from
// its first block, or from a suffix that was read before. Everything but Read goes straight through; blocks stay under
// the name that they were read by, so an object that was moved is fetched anew.
#pragma once

#include <memory>
#include <string>

#include "store/cache/block_cache.h"
#include "store/store.h"

namespace seamount::store {

// identity: what tells this bucket from every other in the same cache, as "http://host:port/bucket". Thread-safe.
std::shared_ptr<Store> MakeCacheStore(std::shared_ptr<Store> inner, std::shared_ptr<BlockCache> cache,
                                      std::string identity);

}  // namespace seamount::store
