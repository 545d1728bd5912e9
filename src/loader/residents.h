// The chunks of a stretch that are in memory: room for each from the budget, its encoded bytes until they are decoded,
// the decoded ones until their last planned use. Encoded chunks may come before there is room to decode them, for they
// are smaller; that room is given in the planned order, so that no later chunk keeps it from an earlier one.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "exec/byte_budget.h"
#include "loader/dataset.h"
#include "loader/memory_pools.h"
#include "loader/missing_rows.h"
#include "loader/schedule.h"

namespace seamount::loader {

// A chunk that stays decoded from one stretch to the next.
struct HeldChunk {
  Buffer decoded;
  std::unique_ptr<MissingRows> missing;
  exec::ByteLease lease;
};
using HeldChunks = std::unordered_map<uint32_t, HeldChunk>;  // by number in the dataset

// Not thread-safe: the pipeline's mutex guards it.
class Residents {
 public:
  // Takes over of `held` what the schedule has in memory at its begin, and gives the rest back.
  // `ahead_bytes`: as MemoryPlan has it.
  Residents(const Dataset& dataset, const Schedule& schedule, exec::ByteBudget& budget, uint64_t ahead_bytes,
            ChunkPool& pool, HeldChunks held);
  ~Residents();
  Residents(const Residents&) = delete;
  Residents& operator=(const Residents&) = delete;

  // Takes room for a chunk, encoded, and decoded too where there is enough; false when there is none at present.
  // Residencies must come in their order, those that are held left out.
  bool TryReserve(uint32_t residency);
  // Gives room to be decoded to those that have none yet, in their order, while there is some. Of these, those whose
  // encoded bytes have come.
  std::vector<uint32_t> GiveRoom();
  // About as large as the chunk's encoded bytes will be.
  uint64_t EncodedEstimate(uint32_t variable) const;
  // `fetched`: how many chunks the stretch had fetched by then, for `fetched_as`. nullopt: not stored.
  void PutEncoded(uint32_t residency, std::optional<Bytes> encoded, uint64_t fetched);
  bool HasRoom(uint32_t residency) const { return live_.at(residency).lease.bytes() > 0; }
  std::optional<Bytes> TakeEncoded(uint32_t residency);
  void PutDecoded(uint32_t residency, Buffer decoded);
  // A buffer that is no chunk after all.
  void GiveBack(uint32_t residency, Buffer buffer);

  // Null until it is decoded. Both stay in place while a use of it is left.
  const std::byte* Decoded(uint32_t residency) const;
  MissingRows& missing(uint32_t residency) { return *live_.at(residency).missing; }
  uint64_t fetched_as(uint32_t residency) const { return live_.at(residency).fetched; }
  // One planned use less. True when that made room.
  bool FinishUse(uint32_t residency);
  // What the plan keeps beyond the stretch and is done with; everything else is given back.
  HeldChunks Release();

 private:
  struct Resident {
    std::optional<Bytes> encoded;
    exec::ByteLease encoded_lease;
    Buffer decoded;
    bool is_decoded = false;
    std::unique_ptr<MissingRows> missing;
    exec::ByteLease lease;
    uint32_t uses_left = 0;
    uint64_t fetched = 0;  // 0: has not come
  };
  uint64_t DecodedBytes(uint32_t residency) const;
  void ReleaseEncoded(Resident& resident);
  const Dataset& dataset_;
  const Schedule& schedule_;
  exec::ByteBudget& budget_;
  const uint64_t ahead_bytes_;
  ChunkPool& pool_;
  std::unordered_map<uint32_t, Resident> live_;  // by residency: from its reservation to its last use
  std::deque<uint32_t> without_room_;            // reserved, but not to be decoded
  uint64_t encoded_bytes_ = 0;                   // reserved for encoded chunks; the pool leaves room for them
  std::vector<double> encoded_ratio_;            // largest seen, of each variable
  HeldChunks kept_;
};

}  // namespace seamount::loader
