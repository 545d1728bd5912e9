// "rectilinear" is an extension that zarr-python and zarrs have: per dimension a list of lengths, or of [length, how
// often], or one length for all. "rectangular" is what zarrs wrote before it: the same under another name.
#include "zarr/chunk_grid.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "zarr/codecs/codec_config.h"

namespace seamount::zarr {
namespace {

constexpr uint64_t kMaxEnd = uint64_t{1} << 62;  // as a dimension is long at most

Error BadEdges(size_t d, const std::string& what) {
  return base::DataLoss("chunk_grid: dimension " + std::to_string(d) + " " + what +
                        " (a length, or a list of lengths and of [length, how often] expected)");
}

Result<uint64_t> ParsePositive(const Json& json, size_t d) {
  const bool fits = json.is_number_unsigned() && json.get<uint64_t>() > 0 && json.get<uint64_t>() <= kMaxEnd;
  if (!fits) return BadEdges(d, "has a length that is none");
  return json.get<uint64_t>();
}

Result<nd::EdgeRun> ParseRun(const Json& json, size_t d) {
  nd::EdgeRun run;
  if (!json.is_array()) {
    SEAMOUNT_TRY_ASSIGN(run.length, ParsePositive(json, d));
    return run;
  }
  if (json.size() != 2) return BadEdges(d, "has a run that is no pair");
  SEAMOUNT_TRY_ASSIGN(run.length, ParsePositive(json[0], d));
  SEAMOUNT_TRY_ASSIGN(run.count, ParsePositive(json[1], d));
  return run;
}

Result<nd::Edges> ParseEdges(const Json& json, size_t d, uint64_t size) {
  if (!json.is_array()) {
    SEAMOUNT_TRY_ASSIGN(const uint64_t length, ParsePositive(json, d));
    if (size == 0) return nd::Edges();
    return nd::Edges{{length, (size - 1) / length + 1}};
  }
  nd::Edges edges;
  uint64_t end = 0;
  for (const Json& entry : json) {
    SEAMOUNT_TRY_ASSIGN(const nd::EdgeRun run, ParseRun(entry, d));
    if (run.count > (kMaxEnd - end) / run.length) return BadEdges(d, "ends beyond 2^62");
    end += run.count * run.length;
    if (!edges.empty() && edges.back().length == run.length) {
      edges.back().count += run.count;
    } else {
      edges.push_back(run);
    }
  }
  return edges;
}

Result<ChunkGrid> ParseRectilinear(const Json& configuration, const char* member, const nd::Index& shape) {
  SEAMOUNT_TRY_ASSIGN(const Json* list, Member(configuration, member));
  if (!list->is_array() || list->size() != shape.size()) {
    return base::DataLoss("chunk_grid: \"" + std::string(member) + "\" is not a list with an entry for each of the " +
                          std::to_string(shape.size()) + " dimensions");
  }
  ChunkGrid grid;
  for (size_t d = 0; d < list->size(); ++d) {
    SEAMOUNT_TRY_ASSIGN(nd::Edges edges, ParseEdges((*list)[d], d, shape[d]));
    grid.edges.push_back(std::move(edges));
  }
  grid.unit_shape = nd::RectilinearGrid(grid.edges).largest();
  return grid;
}

}  // namespace

Result<ChunkGrid> ParseChunkGrid(const Json& json, const nd::Index& shape) {
  SEAMOUNT_TRY_ASSIGN(const Json* member, Member(json, "chunk_grid"));
  SEAMOUNT_TRY_ASSIGN(const CodecSpec spec, ParseNamed(*member, "chunk_grid"));
  SEAMOUNT_TRY_ASSIGN(const Json configuration, ParseJsonObject(spec.configuration_json));
  if (spec.name == "regular") {
    ChunkGrid grid;
    SEAMOUNT_TRY_ASSIGN(grid.unit_shape, SizesMember(configuration, "chunk_shape"));
    return grid;
  }
  if (spec.name == "rectangular") return ParseRectilinear(configuration, "chunk_shape", shape);
  if (spec.name != "rectilinear") {
    return base::InvalidArgument("chunk_grid \"" + spec.name.substr(0, 64) +
                                 "\" is not supported (\"regular\", \"rectilinear\" and \"rectangular\" are)");
  }
  const auto kind = StringMember(configuration, "kind");
  if (!kind) return kind.error().Wrap("chunk_grid \"rectilinear\"");
  if (*kind != "inline") {
    return base::InvalidArgument("chunk_grid \"rectilinear\" of kind \"" + kind->substr(0, 64) +
                                 "\" is not supported (\"inline\" is)");
  }
  return ParseRectilinear(configuration, "chunk_shapes", shape);
}

Json ChunkGridJson(const ChunkGrid& grid) {
  Json configuration = Json::object();
  if (grid.edges.empty()) {
    configuration["chunk_shape"] = grid.unit_shape;
    return Json{{"name", "regular"}, {"configuration", std::move(configuration)}};
  }
  Json shapes = Json::array();
  for (const nd::Edges& edges : grid.edges) {
    Json list = Json::array();
    for (const nd::EdgeRun& run : edges) {
      list.push_back(run.count == 1 ? Json(run.length) : Json::array({run.length, run.count}));
    }
    shapes.push_back(std::move(list));
  }
  configuration["kind"] = "inline";
  configuration["chunk_shapes"] = std::move(shapes);
  return Json{{"name", "rectilinear"}, {"configuration", std::move(configuration)}};
}

Result<void> CheckChunkEdges(const ChunkGrid& grid, const nd::Index& shape, const nd::Index* inner) {
  if (grid.edges.empty()) return {};
  if (grid.edges.size() != shape.size()) {
    return base::InvalidArgument("the chunk grid has another rank than the array");
  }
  const nd::RectilinearGrid whole(grid.edges);
  if (whole.largest() != grid.unit_shape) {
    return base::InvalidArgument("the chunk shape is not that of the grid's largest chunk");
  }
  for (size_t d = 0; d < shape.size(); ++d) {
    if (whole.end()[d] < shape[d]) {
      return base::InvalidArgument("chunk_grid: the chunks along dimension " + std::to_string(d) + " end at " +
                                   std::to_string(whole.end()[d]) + ", before its size, " + std::to_string(shape[d]));
    }
    for (const nd::EdgeRun& run : grid.edges[d]) {
      if (inner == nullptr || run.length % (*inner)[d] == 0) continue;
      return base::InvalidArgument("a shard of length " + std::to_string(run.length) + " along dimension " +
                                   std::to_string(d) + " is not made of whole chunks of " +
                                   std::to_string((*inner)[d]));
    }
  }
  return {};
}

}  // namespace seamount::zarr
