// The shape of chunks and shards, from how the data will be read. Pure.
//
// The model: a request costs a round trip (30 ms) and then 50 MB/s, so that below about 1.5 MB the bytes are nearly
// free; a chunk is therefore made of as many samples as bring it to a megabyte, but under a global shuffle of no more
// than one window, since the rest would be fetched and thrown away. Fields too large to decode in one piece are split.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nd/box.h"
#include "prepare/recipe.h"
#include "source/dataset.h"

namespace seamount::prepare {

struct LayoutRequest {
  std::vector<std::string> dimensions;
  nd::Index shape;
  size_t element_bytes = 4;
  std::optional<size_t> sample_dimension;  // that of time
  std::optional<Minibatch> minibatch;
  nd::Index source_chunk;      // as the source stores it; empty: not chunked
  std::vector<Extent> chunks;  // asked for by the recipe
  std::vector<Extent> shards;
  bool may_shard = true;  // Zarr 3
  // How the array lies there already. Where its chunks are those wanted now, it keeps its shards, or goes on without:
  // growing beyond what is many objects must not rewrite what is there.
  struct Before {
    nd::Index chunk;
    std::optional<nd::Index> shard;
  };
  std::optional<Before> before;
};

struct Layout {
  nd::Index chunk;
  std::optional<nd::Index> shard;
  std::string reason;
};

Layout SolveLayout(const LayoutRequest& request);

// The extent of one task: whole units, grown to cover the source's chunks so that each is decoded as few times as the
// size limit allows.
nd::Index TaskShape(const nd::Index& shape, const nd::Index& unit, const nd::Index& source_chunk, size_t element_bytes);

}  // namespace seamount::prepare
