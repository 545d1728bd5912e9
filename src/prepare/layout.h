// The shape of chunks and shards, from how the data will be read. Pure.
//
// Where the recipe has a minibatch, the model of layout/ says which shape feeds it fastest; docs/LAYOUT.md tells how.
// Without one, chunks are the source's, or of about 4 MiB. Fields too large to decode in one piece are split.
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
  size_t arrays = 1;      // that are read together, and share a loader's memory
  // How the array lies there already. For the same minibatch it keeps its chunks, and where the chunks are those wanted
  // now its shards, or goes on without: what grows must not be rewritten since another shape is a little faster now.
  struct Before {
    nd::Index chunk;
    std::optional<nd::Index> shard;
    bool same_minibatch = false;
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
