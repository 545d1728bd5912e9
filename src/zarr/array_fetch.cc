// Chunks as they are stored: where they lie, and reading them, alone or many at a time.
#include <algorithm>

#include "nd/box.h"
#include "zarr/array_state.h"

namespace seamount::zarr {
namespace {

// Chunks of one shard that lie next to each other, as one range of it.
struct Run {
  ChunkLocation location;
  struct Part {
    size_t chunk;  // among those asked for
    store::ByteRange range;
  };
  std::vector<Part> parts;
};

bool Continues(const Run& run, const ChunkLocation& next) {
  const ChunkLocation& location = run.location;
  return location.key == next.key && location.generation == next.generation &&
         location.range->offset + *location.range->length == next.range->offset;
}

// In the order in which they lie, so that the order of asking does not matter.
std::vector<Run> RunsOf(std::vector<std::pair<ChunkLocation, size_t>> located) {
  std::sort(located.begin(), located.end(), [](const auto& a, const auto& b) {
    return std::pair(std::string_view(a.first.key), a.first.range->offset) <
           std::pair(std::string_view(b.first.key), b.first.range->offset);
  });
  std::vector<Run> runs;
  for (auto& [location, chunk] : located) {
    const store::ByteRange range = *location.range;
    if (!runs.empty() && Continues(runs.back(), location)) {
      *runs.back().location.range->length += *range.length;
    } else {
      runs.push_back({std::move(location), {}});
    }
    runs.back().parts.push_back({chunk, range});
  }
  return runs;
}

}  // namespace

uint64_t Array::UnitNumber(std::span<const uint64_t> chunk) const {
  return nd::LinearIndex(state_->UnitOf(chunk), state_->unit_grid_shape);
}

Result<std::optional<ChunkLocation>> Array::Locate(std::span<const uint64_t> chunk, const CallContext& context) {
  SEAMOUNT_TRY(state_->CheckChunk(chunk));
  if (!state_->shard) return std::optional<ChunkLocation>({state_->UnitKey(chunk), std::nullopt, std::nullopt});
  const nd::Index unit = state_->UnitOf(chunk);
  SEAMOUNT_TRY_ASSIGN(const auto index, state_->IndexOf(unit, context));
  if (!index) return std::optional<ChunkLocation>();
  auto range = index->Find(state_->PlaceInUnit(chunk));
  if (!range) return range.error().Wrap("shard '" + state_->UnitKey(unit) + "'");
  if (!*range) return std::optional<ChunkLocation>();
  return std::optional<ChunkLocation>({state_->UnitKey(unit), **range, index->generation()});
}

Result<std::optional<Bytes>> Array::Fetch(std::span<const uint64_t> chunk, const CallContext& context) {
  constexpr int kTries = 4;  // each meets another overwrite of the shard
  for (int left = kTries;; --left) {
    SEAMOUNT_TRY_ASSIGN(const auto location, Locate(chunk, context));
    if (!location) return std::optional<Bytes>();
    const store::ReadOptions options{.range = location->range, .if_generation = location->generation};
    auto read = state_->store->Read(location->key, options, context);
    if (!read && read.error().code() == ErrorCode::kPreconditionFailed && location->generation && left > 1) {
      state_->DropIndex(state_->UnitOf(chunk));
      continue;
    }
    if (!read) return read.error().Wrap(state_->Describe(chunk));
    if (!*read) return std::optional<Bytes>();
    if (location->range && (*read)->data.size() != *location->range->length) {
      return base::DataLoss(state_->Describe(chunk) + ": its shard is shorter than its index says");
    }
    return std::optional<Bytes>(std::move((*read)->data));
  }
}

Result<Array::Fetched> Array::FetchMany(std::span<const nd::Index> chunks, const CallContext& context) {
  Fetched fetched{std::vector<std::optional<Bytes>>(chunks.size()), 0};
  const auto fetch_alone = [&](size_t i) -> Result<void> {
    SEAMOUNT_TRY_ASSIGN(fetched.chunks[i], Fetch(chunks[i], context));
    ++fetched.requests;
    return {};
  };
  if (!state_->shard || chunks.size() == 1) {
    for (size_t i = 0; i < chunks.size(); ++i) SEAMOUNT_TRY(fetch_alone(i));
    return fetched;
  }
  std::vector<std::pair<ChunkLocation, size_t>> located;
  for (size_t i = 0; i < chunks.size(); ++i) {
    SEAMOUNT_TRY_ASSIGN(auto location, Locate(chunks[i], context));
    if (location) located.emplace_back(*std::move(location), i);
  }
  for (const Run& run : RunsOf(std::move(located))) {
    const ChunkLocation& where = run.location;
    const auto read =
        state_->store->Read(where.key, {.range = where.range, .if_generation = where.generation}, context);
    ++fetched.requests;
    // Another shard lies there by now, or none: each chunk by itself, which looks at the index again.
    const bool changed = read ? !*read : read.error().code() == ErrorCode::kPreconditionFailed;
    if (!read && !changed) return read.error().Wrap("shard '" + where.key + "'");
    for (const Run::Part& part : run.parts) {
      if (changed) {
        SEAMOUNT_TRY(fetch_alone(part.chunk));
        continue;
      }
      const uint64_t offset = part.range.offset - where.range->offset;
      if ((*read)->data.size() < offset + *part.range.length) {
        return base::DataLoss("shard '" + where.key + "' is shorter than its index says");
      }
      fetched.chunks[part.chunk] = (*read)->data.Slice(offset, *part.range.length);
    }
  }
  return fetched;
}

}  // namespace seamount::zarr
