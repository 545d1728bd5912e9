// "chunk_grid" of a zarr.json: "regular", and with chunks that differ in size "rectilinear" and "rectangular".
// Internal to this module.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "nd/rectilinear_grid.h"
#include "zarr/codecs/json.h"

namespace seamount::zarr {

// Of chunks, or of shards where sharded.
struct ChunkGrid {
  nd::Index unit_shape;          // the largest one's along each dimension where they differ
  std::vector<nd::Edges> edges;  // per dimension; empty: they do not
};

// json: the whole document.
Result<ChunkGrid> ParseChunkGrid(const Json& json, const nd::Index& shape);
Json ChunkGridJson(const ChunkGrid& grid);
// InvalidArgument unless the edges cover the shape, the largest are the unit's, and all shards are made of whole
// chunks; inner: of those within shards, null where there are none.
Result<void> CheckChunkEdges(const ChunkGrid& grid, const nd::Index& shape, const nd::Index* inner);

}  // namespace seamount::zarr
